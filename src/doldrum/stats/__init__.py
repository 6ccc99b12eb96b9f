"""Statistics on counts of labels and on scores: estimators, intervals, means, conformal p-values. NumPy and SciPy only.

This package knows no classifiers, images or files: functions take numbers and return numbers.
"""
