"""Statistics on counts of labels and on scores: estimators, intervals, means, conformal p-values. NumPy and SciPy only.

The functions take numbers and return numbers. No function uses classifiers, images or files.
"""
