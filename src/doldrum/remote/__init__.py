"""Lists, fetches and writes files at addresses and on this machine.

Addresses begin with s3://, gs://, https:// or another prefix that fsspec knows.

This package does not interpret the content of files. fsspec is imported only for addresses, not for local paths.
The function `redacted` removes secrets from every address that is shown or recorded. The function `scrubbed` removes
secrets from every text that comes from a library. So passwords and signatures stay out of logs, records and reports.
"""

from __future__ import annotations

from doldrum.remote.addressed import store_of
from doldrum.remote.addresses import expanded, is_address, is_pattern, redacted, scrubbed
from doldrum.remote.shards import Shard, Shards, find_shards
from doldrum.remote.stores import Held, Store

__all__ = [
    "Held",
    "Shard",
    "Shards",
    "Store",
    "expanded",
    "find_shards",
    "is_address",
    "is_pattern",
    "redacted",
    "scrubbed",
    "store_of",
]
