"""The study inspection: its cells and grids, and what inspectors read in a model.

Not here: what another study needs too (files of `doldrum.studies`), and its page (`doldrum.report.studies`).
"""

QUESTION = "can backdoored models be distinguished from clean ones?"
