"""Trigger inversion: for each route, find the smallest trigger that changes clean images along the route.

Each form of trigger has its own file. Inspectors that search in another way, or not at all, are in `methods`.
"""
