"""One method per file, each giving a `Verdict` on every sample of a training set, and `cleanse`, which runs them.

No files, folders or confined processes (`cleansing.job`), and no detector's own arithmetic (`doldrum.detectors`).
"""
