"""Methods that remove a backdoor from a model, one per file.

No method imports another method. Shared code is in the folder above: the recipe for training on a few images
(`repairing/recipe.py`), and the base class (`contract.py`).
"""
