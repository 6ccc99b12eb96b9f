"""The profile run over many images in the confined process: how many draws fit the time, rows a batch at a time, and reading them outside.

No verdict on the rows, and no detector's own arithmetic, which is in `doldrum.detectors`.
"""
