"""A job on somebody else's files: settings, the folder in which it can be continued, the confined process and what it opens, and checks of what comes back.

Nothing that one job alone does (a verdict, a list to drop, a page), and no name of a job: each states in a `Job` what it is.
"""
