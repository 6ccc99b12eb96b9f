"""Read the user's own images as an ImageSet. Each file reads one kind of source.

Not in this package: files from other people (`intake`), and published data sets (`sets`).
"""
