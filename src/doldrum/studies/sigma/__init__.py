"""The study sigma: its grids, and the effect with one choice changed at a time.

Not here: what another study needs too (files of `doldrum.studies`), and its page (`doldrum.report.studies`).
"""

QUESTION = "how do the verdicts depend on strength, draws, clipping and estimator?"
