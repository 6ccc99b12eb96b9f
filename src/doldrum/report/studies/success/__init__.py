"""The page of the study success: smoothness against attack success, and models followed as they train.

Not here: what another study's page shows too (the files of `doldrum.report.studies`).
"""
