"""The page of `doldrum audit`: rows, pictures and texts, all hostile until made visible and escaped.

Not here: what is audited and decided (`doldrum.audit`), and what another page shows too (`doldrum.report`).
"""
