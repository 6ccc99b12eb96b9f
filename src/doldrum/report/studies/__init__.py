"""The pages of studies. Each page has a folder, NAME, with a function `page(records)` in NAME/page.py.

Several pages share the files next to the folders. Studies are run in `doldrum.studies`.
"""
