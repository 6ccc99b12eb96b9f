"""Trigger inversion: for each route, the smallest trigger of a form that takes clean images along it. One form a file."""
