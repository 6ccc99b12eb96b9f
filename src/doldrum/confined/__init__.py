"""Code shared by all jobs that work on somebody else's files, such as audits.

This code is for settings, the output folder, the confined process, and checks of the results from this process.

Code that only one job needs (a verdict, a list of samples to drop, a page) is in the package of this job. A `Job`
object describes a job.
"""
