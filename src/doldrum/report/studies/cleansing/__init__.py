"""The page of the study cleansing: what is left of a backdoor after each arm, and what cleansing costs.

Not here: what another study's page shows too (the files of `doldrum.report.studies`).
"""
