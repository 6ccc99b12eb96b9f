"""The page of `doldrum inspect`, and the section about the model on an audit's page.

Because the texts on the page may come from an attacker, invisible characters are shown as codes, and HTML is escaped. The
inspection and its verdict are computed in `doldrum.inspecting`. Code that other pages share is in `doldrum.report`.
"""
