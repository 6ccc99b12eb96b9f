"""Published detectors, to compare with: one per file, each with its score, its settings and its source.

Nothing that two of them use (it goes to `shared`), and no list of them (`kinds`).
"""
