"""What one attack needs beyond a trigger and a plan, one method per file: an optimised pattern, an encoder, a hook in the loop.

No list of attacks and no settings of theirs (`registry` and `makers` in the folder above), and nothing that two packages use.
"""
