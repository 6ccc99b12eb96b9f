"""The interface of an inspector: read `hooks.py` first.

The package also contains the model under inspection (`Subject`), an inspector's results (`Reading`), and pairs of
source and target class (`Route`).

A reading holds an inspector's results for one model. This package imports no inspector, and does not compare models
(`judging` does).
"""
