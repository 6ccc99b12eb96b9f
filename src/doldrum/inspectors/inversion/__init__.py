"""Trigger inversion: for each route, the smallest trigger of a form that takes clean images along it. One form a file.

Not here: inspectors that search otherwise, or not at all (`methods`).
"""
