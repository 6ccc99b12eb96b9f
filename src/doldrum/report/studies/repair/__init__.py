"""The page of the study repair: success of the true trigger and accuracy before and after, by method, images and attack.

Not here: what another study's page shows too (the files of `doldrum.report.studies`).
"""
