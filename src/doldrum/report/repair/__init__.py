"""The page of a repair.

Only what this page alone has: figures, pictures and words that others need too are in `doldrum.report`.
"""
