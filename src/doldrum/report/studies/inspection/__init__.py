"""The page of the study inspection: every model compared with its references, and what the verdicts come to.

Not here: what another study's page shows too (the files of `doldrum.report.studies`).
"""
