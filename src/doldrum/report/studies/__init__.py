"""The pages of studies. Each page has a folder, NAME, with a function `page(records)` in NAME/page.py.

The files next to these folders are shared by several pages. Studies are run in `doldrum.studies`.
"""
