"""The page of `doldrum explain`, which shows the part that was found in each image, and the effect of this part on clean images.

Because the texts may come from an attacker, invisible characters are shown as codes, and HTML is escaped.
The search and the test are in `doldrum.explanations`. Code that other pages share is in `doldrum.report`.
"""
