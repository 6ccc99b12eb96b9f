"""The page of `doldrum repair`.

Code that other pages share is in `doldrum.report`.
"""
