"""Inspectors that don't search for a trigger of one form: one file each.

Not here: inversion, and what compares models.
"""
