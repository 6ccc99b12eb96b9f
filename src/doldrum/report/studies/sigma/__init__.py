"""The page of the study sigma: the effect under each strength, number of draws, estimator and clipping.

Not here: what another study's page shows too (the files of `doldrum.report.studies`).
"""
