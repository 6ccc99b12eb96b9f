"""The page of `doldrum explain`: each image with what was found in it, tried on clean images. All texts are hostile until made visible and escaped.

Not here: what is searched and tested (`doldrum.explanations`), and what another page shows too (`doldrum.report`).
"""
