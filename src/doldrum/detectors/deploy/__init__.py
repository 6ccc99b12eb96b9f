"""A fitted detector in use: saved and loaded, scanning into a folder, in front of a model, as scikit-learn's.

No score and no promise: those are the detector's own.
"""
