"""Statistics on counts of labels: estimators, intervals, means. NumPy and SciPy only."""
