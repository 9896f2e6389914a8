"""What is there of a LoadTest: objects, pods, what its runners and sidecars say. Decides nothing, changes nothing."""
