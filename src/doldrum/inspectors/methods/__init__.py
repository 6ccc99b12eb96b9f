"""Inspectors that don't search for a trigger of one form: one a file.

Not here: inversion, and what compares models.
"""
