"""What runners measured, and its sum: histograms, series, parts, merge. Pure; judges nothing."""
