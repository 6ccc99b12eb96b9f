"""The study success: its cells and grids, and a model followed as it trains.

Not here: what another study needs too (files of `doldrum.studies`), and its page (`doldrum.report.studies`).
"""

QUESTION = "is the model smoother if the attack succeeds more often?"
