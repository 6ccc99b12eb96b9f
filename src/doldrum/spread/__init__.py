"""Jobs for processes of one thread each, on this machine or on a Ray cluster: one call, `spread`, for all who have many, and
`results` where one worker is this process, and `kept_workers` for several rounds of jobs.

The work is any picklable function. For hostile files use `sandbox`.
"""

from doldrum.spread.spread import check_workers, kept_workers, results, spread

__all__ = ["check_workers", "kept_workers", "results", "spread"]
