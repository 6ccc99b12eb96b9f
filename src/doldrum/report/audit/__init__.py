"""The page of `doldrum audit`. Rows, pictures and texts on the page may come from an attacker, so they are checked and escaped.

The audit itself and its verdict are computed in `doldrum.audit`. Code that other pages share is in `doldrum.report`.
"""
