"""What tells a runtime what to enforce: bootstrap, the mounted ConfigMap, the admin API. Touches no request of the data path."""
