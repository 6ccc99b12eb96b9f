"""Judges a model by its readings (the inspectors' results).

The readings are compared with those of reference models, with a promised false-alarm rate. Without reference models, a
model's classes are compared with one another, without a promise. This package does not run models.
"""
