"""Code that several detectors use: the search for a noise strength, and clean images to blend with the inputs.

Code that only one detector uses does not belong here, and neither does a detector.
"""
