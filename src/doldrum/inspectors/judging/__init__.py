"""What readings of a model mean: beside those of reference models, with a promise, or by themselves, without one.

No model is looked at here.
"""
