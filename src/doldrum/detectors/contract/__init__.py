"""What a detector is: `hooks` (what its author writes, read first), `detector` (what users call), and what these are made of.

No detector, and nothing that knows one by name.
"""
