"""Serves a `Guard` (a model with a detector) over HTTP.

Images come in, verdicts go out, and all sizes and times are limited.

This package has the limits, the queue and the answers. Scores are in `detectors`, decoders are in `intake`, and model
formats are in `opening`.
"""
