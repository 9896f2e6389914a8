"""Carries out one runner's share of a plan on one clock. Judges nothing, resolves nothing, knows no protocol."""
