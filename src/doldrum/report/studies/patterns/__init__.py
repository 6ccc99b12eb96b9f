"""The page of the study patterns: other artificial patterns compared with the trigger, and what tells them apart.

Not here: what another study's page shows too (the files of `doldrum.report.studies`).
"""
