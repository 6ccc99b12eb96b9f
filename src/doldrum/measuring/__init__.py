"""measure(), and Responses on disk."""

from doldrum.measuring.measure import Measurement, measure
from doldrum.measuring.shards import measure_to, read_manifest, read_responses

__all__ = ["Measurement", "measure", "measure_to", "read_manifest", "read_responses"]
