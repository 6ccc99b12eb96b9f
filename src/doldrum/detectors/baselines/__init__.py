"""Published detectors to compare with, one per file. Each file documents the detector's score, settings and source.

Code that two detectors use belongs in `shared`, and the list of all detectors is in `kinds`.
"""
