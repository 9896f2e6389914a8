"""What the merge means: metrics, thresholds, comparison, verdict. Pure; measures nothing."""
