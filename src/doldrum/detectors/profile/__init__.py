"""This project's own detector: its probes and score (`profile`), its model of clean images (`model`, `rates`), and an estimate of what it will find (`outlook`).

Terms used here: a *family* is one kind of perturbation, with one or more strengths. A *place* is one draw of one strength of a family.
Since a draw perturbs all inputs in the same way, each place has its own rates of labels. *Calm* is the share of draws that keep the label.
Baselines, and code that they need, do not belong here.
"""
