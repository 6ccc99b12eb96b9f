"""Serves a `Guard` (a model with a detector) over HTTP.

Images come in, verdicts go out, and all sizes and times are limited.

This package contains the code for the limits of the service, the queue of images and the answers to clients. Scores are
in `detectors`, decoders are in `intake`, and model formats are in `opening`.
"""
