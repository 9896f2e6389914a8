"""The injector's serving certificate: made and renewed by the operator, trusted by the API server through the webhook's CA bundle."""
