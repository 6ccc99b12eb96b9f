"""One cleansing method per file, and `cleanse`, which runs them.

A method returns one `Verdict` for all samples of a training set.

Files, folders and confined processes are in `cleansing.job`, and the computations of detectors are in
`doldrum.detectors`.
"""
