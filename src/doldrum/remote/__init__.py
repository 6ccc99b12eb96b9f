"""Files at addresses (s3://, gs://, https:// and whatever fsspec knows), beside those of this machine: list, fetch, put.

Nothing here knows what is in a file. fsspec is imported where an address is used, never for a path. No address is shown or recorded
but by `redacted`, no library's text but by `scrubbed`: passwords and signatures stay out of logs, records and reports.
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
