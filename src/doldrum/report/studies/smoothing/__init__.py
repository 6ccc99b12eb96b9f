"""The page of the study smoothing, which shows for each attack whether the trigger makes the backdoored model smoother.

Each backdoored model is compared with the clean model of the same seed. Code that the pages of other studies share is
in the files of `doldrum.report.studies`.
"""
