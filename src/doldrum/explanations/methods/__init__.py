"""Ways to take a trigger out of images and put it on others: one file each, over the contract in `base`.

No statistics, and no classifier: a method is told how well something does by a function.
"""
