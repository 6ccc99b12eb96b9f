"""One command, or a few that belong together, a file: its options, its help, the one call and what is printed.

No arithmetic and no files but those that the call writes; what two commands use is in the folder above.
"""
