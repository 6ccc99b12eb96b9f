"""The page of the study smoothing: attack by attack, whether the trigger smooths more than on a clean twin.

Not here: what another study's page shows too (the files of `doldrum.report.studies`).
"""
