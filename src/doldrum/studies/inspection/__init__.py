"""The study "inspection" runs inspectors: methods that search a model for a backdoor.

Code that other studies share is in files of `doldrum.studies`. The page of the study is made in
`doldrum.report.studies`.
"""

QUESTION = "can backdoored models be distinguished from clean ones?"
