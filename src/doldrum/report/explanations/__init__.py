"""The page of `doldrum explain`. For each image it shows the part that was found, and the effect of this part on clean images.

The texts may come from an attacker, so they are made visible and escaped. The search and the test are in
`doldrum.explanations`. Code that other pages share is in `doldrum.report`.
"""
