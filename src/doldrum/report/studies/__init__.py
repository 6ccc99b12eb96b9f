"""The pages of studies. The page of the study NAME is made by the function `page(records)` in the file NAME/page.py.

Several pages share the files next to the folders. Studies are run in `doldrum.studies`.
"""
