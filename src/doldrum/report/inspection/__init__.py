"""The page of `doldrum inspect`, and the section of an audit's page: sentences, pictures, strips and tables of a record, all hostile.

Not here: what is looked for and decided (`doldrum.inspecting`), and what another page shows too (`doldrum.report`).
"""
