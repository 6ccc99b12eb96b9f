"""The interface that all detectors share. Read `hooks` first: this module lists what the author of a detector writes.
`detector` has the methods that users call.

This package contains no detector, and no code that refers to a detector by name.
"""
