"""Our own detector: what it measures and judges by (`profile`), and the model of clean images behind it (`model`).

No baseline, and nothing that one needs.
"""
