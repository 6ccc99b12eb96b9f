"""Code that only one attack needs, one attack per file: an optimised pattern, an encoder, or a hook in the training loop.

Not in this package: the list of attacks and their settings (`registry` and `makers` in the folder above), and code that
other packages use.
"""
