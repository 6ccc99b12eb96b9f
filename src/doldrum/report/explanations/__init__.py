"""The page of `doldrum explain`, which shows the part that was found in each image, and the effect of this part on clean images.

The texts may come from an attacker, so they are made visible and escaped. The search and the test are in
`doldrum.explanations`. Code that other pages share is in `doldrum.report`.
"""
