"""Inspectors that do not search for a trigger of a single form. Each inspector has its own file.

Trigger inversion is in `inversion`, and the comparison of models is in `judging`.
"""
