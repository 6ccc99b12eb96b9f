"""Classifiers for models of several kinds and libraries. Each kind of model has its own file, which is imported only
when it is needed.

Code that reads files that may be hostile is in `suspects`. The interface (`base`) needs nothing from this package.
"""
