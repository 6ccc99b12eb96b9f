"""Statistics on counts of labels and on scores: estimators, intervals, means, conformal p-values. NumPy and SciPy only.

No classifier, no image and no file: numbers in, numbers out.
"""
