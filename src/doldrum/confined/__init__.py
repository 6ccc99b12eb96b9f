"""Shared code of all jobs on somebody else's files, such as audits: settings, the output folder, the confined process, and checks of its results.

Code of a single job (a verdict, a list of samples to drop, a page) is not here. Each job is described by a `Job`.
"""
