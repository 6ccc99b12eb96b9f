"""Our detectors under other libraries' names and signs; one library per file, imported only when its file is.

Each call is passed on to the detector. Models of those libraries are in `classifiers/adapters`.
"""
