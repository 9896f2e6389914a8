"""Where an engine runs: a pod, this process, child processes. Judges nothing."""
