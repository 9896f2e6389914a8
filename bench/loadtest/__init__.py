"""`make bench-loadtest`: what the load generator promises, each line in a process of its own."""
