"""The user's own images as an ImageSet: one kind of source per file.

No files of strangers (`intake`), and no published sets (`sets`).
"""
