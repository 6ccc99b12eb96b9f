"""Trigger inversion: for each route, find the smallest trigger that changes the predicted label of clean images from
the route's source class to its target class.

Each form of trigger has its own file. Inspectors that search in another way, or not at all, are in `methods`.
"""
