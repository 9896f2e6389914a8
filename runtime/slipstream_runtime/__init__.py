"""The sidecar: enforces one workload's configuration on its HTTP traffic; never needs the operator to keep serving."""
