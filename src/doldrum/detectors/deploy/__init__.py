"""Uses of a fitted detector: in a file, in scans to a folder, in front of a live model, and as a scikit-learn
estimator.

This package computes no scores and promises no rate, since detectors do both themselves.
"""
