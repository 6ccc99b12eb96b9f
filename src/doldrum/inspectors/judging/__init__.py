"""Judges a model by its readings (the inspectors' results).

A model's readings are compared with the readings of reference models; this comparison has a promised false-alarm rate.
Without reference models, a model's classes are compared with one another; this comparison promises no rate. This
package does not run models.
"""
