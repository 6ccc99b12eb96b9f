"""What several detectors are made of: the search for a strength, images to lay over others.

Nothing that one detector alone uses, and no detector.
"""
