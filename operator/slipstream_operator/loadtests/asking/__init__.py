"""Which run a LoadTest asks for, why, and whose turn it is: schedule, triggers, queue, key. Pure; starts nothing."""
