"""Spread work over processes of one thread each, on this machine or on a Ray cluster."""

from doldrum.spread.spread import spread

__all__ = ["spread"]
