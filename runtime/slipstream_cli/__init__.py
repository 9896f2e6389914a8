"""The `slipstream` command: the same YAML without a cluster; holds no logic of its own layers."""
