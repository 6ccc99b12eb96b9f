"""Measure a classifier on images with probes. The result, Responses, is kept in memory or written to a folder.

A rule can stop a measurement early, and workers can share the work. Other packages compute statistics of responses
(`stats`, `profiles`), perturbations (`probes`) and verdicts (`detectors`).
"""

from doldrum.measuring import until
from doldrum.measuring.answers import Answers
from doldrum.measuring.checked import Checked
from doldrum.measuring.measure import measure
from doldrum.measuring.measurement import Measurement
from doldrum.measuring.readouts import READOUTS
from doldrum.measuring.shards import measure_to
from doldrum.measuring.stored import StoredResponses, check_new_folder, read_manifest, read_responses

__all__ = [
    "READOUTS",
    "Answers",
    "Checked",
    "Measurement",
    "StoredResponses",
    "check_new_folder",
    "measure",
    "measure_to",
    "read_manifest",
    "read_responses",
    "until",
]
