"""The page of `doldrum audit`. The page's rows, pictures and texts may come from an attacker, so they are checked and escaped.

The audit itself and its verdict are computed in `doldrum.audit`. Code that other pages share is in `doldrum.report`.
"""
