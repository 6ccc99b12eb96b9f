"""Jobs for processes of one thread each, on this machine or on a Ray cluster: one call, `spread`, for all who have many.

No measuring and no studies: the work is a picklable function. Not for hostile files either (`sandbox`).
"""

from doldrum.spread.spread import check_workers, spread

__all__ = ["check_workers", "spread"]
