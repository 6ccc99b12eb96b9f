"""Methods to take a trigger from images and put it on other images. One file per method; the interface is in `base`.

This package has no statistics and no classifier: a method calls a function that says how well a candidate works.
"""
