"""What several detectors are made of: the search for a strength, images to blend with others.

Nothing that one detector alone uses, and no detector.
"""
