"""Our detectors under other libraries' names and signs; one library per file, imported only when its file is.

No models of those libraries (`classifiers/adapters`), and no arithmetic: each call is passed on to the detector.
"""
