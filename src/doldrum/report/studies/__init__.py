"""Pages of studies, one a folder: `page(records)` in NAME/page.py, found by name. Several pages share the files here.

Not here: running a study (`doldrum.studies`), and what one page alone shows, which belongs in its folder.
"""
