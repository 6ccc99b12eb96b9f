"""Code that only one attack needs: an optimised pattern, an encoder, or a hook in the training loop.

Each of these attacks has its own file. The list of attacks and their settings is not in this package, but in `registry`
and `makers` in the parent folder. This package contains no code that other packages use.
"""
