"""The page of the study detection: detectors side by side, attack by attack, under stress and compared with their papers.

Not here: what another study's page shows too (the files of `doldrum.report.studies`).
"""
