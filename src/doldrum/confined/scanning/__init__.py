"""Scan many images with the profile detector in the confined process: choose the number of draws, write rows in batches, and read these rows outside of the process.

The package of each job (such as `doldrum.audit`) decides what the rows mean. The detectors' arithmetic is in
`doldrum.detectors`.
"""
