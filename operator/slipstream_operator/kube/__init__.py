"""The only door to the API server: a small protocol, the kinds that the operator touches, one implementation. Decides nothing."""
