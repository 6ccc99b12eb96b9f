"""A Guard behind HTTP: images come in, verdicts go out, and both are bounded.

This package has the limits, the queue and the answers. Scores are in `detectors`, decoders in `intake`, and model formats in `opening`.
"""
