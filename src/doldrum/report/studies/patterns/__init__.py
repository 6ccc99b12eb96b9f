"""The page of the study patterns: other artificial patterns beside the trigger, and what tells them apart.

Not here: what another study's page shows too (the files of `doldrum.report.studies`).
"""
