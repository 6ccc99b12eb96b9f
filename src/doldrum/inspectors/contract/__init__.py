"""What an inspector is: read `hooks.py` first. No inspector is imported here."""
