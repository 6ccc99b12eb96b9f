"""The commands. Each file has one command or a few related ones: the options, the help, one call to the library, and what is printed.

The commands do no arithmetic, and write no files except those that the library call writes. Code that several commands
use is in the parent folder, `cli`.
"""
