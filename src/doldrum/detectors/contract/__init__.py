"""The interface of every detector: `hooks` (what its author writes; read it first), `detector` (what users call), and
their parts.

This package contains no detector, and no code that refers to a detector by name.
"""
