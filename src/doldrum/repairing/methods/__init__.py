"""Ways to take a backdoor out of a model, one per file.

No method knows another. What several use is beside this folder: how a few images are trained on (`repairing/recipe.py`), and what a method is (`contract.py`).
"""
