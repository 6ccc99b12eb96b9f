"""The study detection: its cells and grids, its bench of detectors, the judge and the stress tests.

Not here: what another study needs too (files of `doldrum.studies`), and its page (`doldrum.report.studies`).
"""

QUESTION = "which detectors find triggered inputs, and keep the promised rate of false alarms?"
