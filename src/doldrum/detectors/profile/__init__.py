"""This project's own detector: its probes and score (`profile`), its model of clean images (`model`, `rates`), and the
estimated share of triggered inputs that the detector will flag (`outlook`).

Terms in this package: a *family* is one kind of perturbation, with one or more strengths. A *draw* is one random
perturbation. A *place* is one draw at one strength of a family. All inputs get the same draws. So for each place, it is
estimated how often the model returns each label. *Calm* is the share of draws that keep an input's label. Baseline
detectors, and code that they need, do not belong in this package.
"""
