"""Code that only one attack needs, one attack per file: an optimised pattern, an encoder, or a hook in the training loop.

The list of attacks and their settings is not in this package, but in `registry` and `makers` in the parent folder. Code
that other packages use is not in this package either.
"""
