"""Read the user's own images as an ImageSet. Each module of this package reads one kind of source,
such as a folder of image files.

Not in this package: files from other people (`intake`), and published data sets (`sets`).
"""
