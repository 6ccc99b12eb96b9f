"""What an inspector is: read `hooks.py` first. Routes, the model under inspection, and the reading of it.

No inspector is imported here, and nothing that compares models (`judging`).
"""
