"""The interface of an inspector: read `hooks.py` first.

Also routes, the model under inspection, and an inspector's reading.

A reading holds an inspector's results for one model. This package imports no inspector, and does not compare models
(`judging` does).
"""
