"""The page of `doldrum demo`: its figures, table and sentences, from a DemoRecord.

Not here: what another page shows too, which belongs in the shared files of `doldrum.report`.
"""
