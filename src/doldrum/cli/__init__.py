"""The command line: parse -> one call -> print."""

from doldrum.cli.app import main

__all__ = ["main"]
