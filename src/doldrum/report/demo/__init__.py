"""The page of `doldrum demo`: its figures, table and sentences, made from a DemoRecord.

Code that other pages share is in the files of `doldrum.report`.
"""
