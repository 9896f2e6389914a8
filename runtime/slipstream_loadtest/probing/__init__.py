"""What runners do besides load: reading the target's memory, probing whether sessions are kept apart. Counts; never judges."""
