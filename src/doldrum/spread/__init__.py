"""Runs many jobs in worker processes with one thread each, on this machine or on a Ray cluster.

The main call is `spread`. `results` runs the jobs in the calling process if there is only one worker. `kept_workers`
keeps the workers for several rounds of jobs. The work can be any picklable function. To read hostile files, use the
package `doldrum.sandbox` instead.
"""

from doldrum.spread.spread import check_workers, kept_workers, results, spread

__all__ = ["check_workers", "kept_workers", "results", "spread"]
