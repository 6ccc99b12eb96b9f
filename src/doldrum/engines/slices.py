"""Choose how many rows of a tile a model takes at once, so that the data between its layers stays in the cache of a
core."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["slice_rows"]

_CACHE = 2 << 20  # bytes; a constant, so that every machine cuts alike
_LEAST = 2  # rows: a batch of one has a shape of its own in too many graphs (squeeze)


def slice_rows(rows: int, *, weights: int, layers: Sequence[int]) -> int:
    """The number of rows per slice that causes the least memory traffic per row, for a tile of `rows` rows.

    `weights` is the number of bytes of all weights, which are read from memory once per slice. `layers` holds the bytes
    that go into and out of each layer for one row. If a layer's bytes for a whole slice do not fit into the cache,
    these bytes are written to memory. With slices of s rows, the memory traffic per row in bytes is weights / s, plus
    the sum of all entries of `layers` that are larger than cache / s.

    For a network with few weights, such as a small transformer, slices that fit into the cache are best. For a network
    with many weights, such as a ResNet, whole tiles are best. Among slice sizes whose traffic is at most 5% above the
    least traffic, the largest size is chosen, since it needs the fewest calls. Slices that leave more than a twentieth
    of their rows empty are not considered. The result depends only on the network, not on the machine or the time.

    >>> slice_rows(63, weights=1_200_000, layers=[98_000] * 20), slice_rows(63, weights=45_000_000, layers=[500_000] * 10)
    (21, 63)
    """
    cuts = {math.ceil(rows / count) for count in range(1, rows // _LEAST + 1)}
    fair = [s for s in cuts if math.ceil(rows / s) * s - rows <= rows / 20]
    traffic = {s: weights / s + sum(size for size in layers if size * s > _CACHE) for s in fair or [rows]}
    return max(s for s, cost in traffic.items() if cost <= 1.05 * min(traffic.values()))
