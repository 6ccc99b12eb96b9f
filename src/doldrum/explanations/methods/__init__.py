"""Ways to take a trigger out of images and put it on others: one a file, over the contract in `base`.

No statistics, and no classifier: a method is told how well something does by a function.
"""
