"""The page of `doldrum inspect`, and the section about the model on an audit's page.

The texts on the page may come from an attacker, so they are made visible and escaped. The inspection and its verdict are
computed in `doldrum.inspecting`. Code that other pages share is in `doldrum.report`.
"""
