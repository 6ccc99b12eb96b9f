"""Our own detector: what it measures and judges by (`profile`), the model of clean images behind it (`model`, `rates`), and what it will find (`outlook`).

No baseline, and nothing that one needs.
"""
