"""A Guard behind HTTP: images come in, verdicts go out, and both are bounded.

No score and no promise (`detectors`), no decoder (`intake`), no model format (`opening`): here are the bounds, the queue and the answers.
"""
