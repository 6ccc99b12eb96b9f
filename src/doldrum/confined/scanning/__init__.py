"""Scan many images with the profile detector in the confined process: choose the number of draws, write rows in batches, and read these rows outside of the process.

Verdicts on the rows are not here. The detectors' arithmetic is in `doldrum.detectors`.
"""
