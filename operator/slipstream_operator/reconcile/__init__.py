"""Gather → decide → apply, for a workload's configuration and for a policy's status. The decisions are pure; only two modules do I/O."""
