"""The page of `doldrum audit`. Its rows, pictures and texts may come from an attacker, and are checked and escaped.

The audit itself and its verdict are computed in `doldrum.audit`. Code that other pages share is in `doldrum.report`.
"""
