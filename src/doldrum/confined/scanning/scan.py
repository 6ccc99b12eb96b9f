"""In the confined process: scan images, and write the rows after each batch, so that a killed process loses only one
batch."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from doldrum.data import ImageSet
from doldrum.detectors import SmoothnessProfile
from doldrum.detectors.contract.evidence import Evidence
from doldrum.files import write_text_whole
from doldrum.responses import INVALID

__all__ = ["MOST_SCORE", "Ranker", "band", "conditions", "rows_of", "scan_rows", "whole_rows", "write_rows"]

MOST_SCORE = 1e9
"""This score stands for an infinite score, because JSON has no infinity."""


class Ranker(SmoothnessProfile):
    """A profile detector for rankings. It also keeps the measured labels (evidence) of the images used for `fit`,
    because these images are ranked too."""

    evidence: Evidence

    def learn(self, evidence: Evidence) -> None:
        self.evidence = evidence
        super().learn(evidence)


def rows_of(
    evidence: Evidence,
    families: Sequence[str],
    *,
    indices: Sequence[int],
    ids: Sequence[str],
    scores: NDArray[np.float64],
    p_values: NDArray[np.float64] | None,
) -> list[dict[str, Any]]:
    """Return one row per input, as a dict of JSON values with the keys i, id, label, score, p, kept and back.

    A condition is one strength of one kind of perturbation (probe family). For each condition, `kept` holds the share
    of draws that kept the input's label, and `back` holds the number of draws for each label, as [[label, count], …].
    """
    made = []
    draws = [evidence.responses[name].draws for name in families]
    for n, i in enumerate(indices):
        label = int(evidence.labels[n])
        kept, back = [], []
        for one in draws:
            for drawn in one[n]:
                found, counts = np.unique(drawn[drawn >= INVALID], return_counts=True)
                pairs = sorted(zip(found.tolist(), counts.tolist(), strict=True), key=lambda pair: -pair[1])
                valid = int((drawn >= 0).sum())
                kept.append(round(int((drawn == label).sum()) / valid, 4) if valid and label >= 0 else None)
                back.append([list(pair) for pair in pairs])
        score = float(np.clip(scores[n], -MOST_SCORE, MOST_SCORE))
        p = None if p_values is None else float(p_values[n])
        made.append({"i": int(i), "id": ids[n], "label": label, "score": score, "p": p, "kept": kept, "back": back})
    return made


def write_rows(path: Path, rows: Sequence[dict[str, Any]]) -> None:
    """Write rows as lines of JSON. The file is written completely or not at all."""
    write_text_whole(path, "".join(json.dumps(row, separators=(",", ":"), allow_nan=False) + "\n" for row in rows))


def whole_rows(folder: Path) -> int:
    """The number of images whose rows have been written, counted from the first image up to the first gap. The file
    rows-A-B.jsonl holds images A to B - 1."""
    done = 0
    for path in sorted(folder.glob("rows-*.jsonl")):
        _, first, last = path.stem.split("-")
        if int(first) != done:
            break
        done = int(last)
    return done


def scan_rows(
    detector: SmoothnessProfile, images: ImageSet, indices: NDArray[np.int64], folder: Path, *, over: Callable[[], bool]
) -> int:
    """Scan `images` and write their rows. `indices` holds the row number of each image. Batches that are already
    written are left out.

    If the function `over` says that the time is over, the scan ends early, but not before one batch is done. Returns
    how many images have rows now, counted from the first image.
    """
    start = whole_rows(folder)
    if start >= len(images):
        return start
    families = list(detector.probes())
    rest = ImageSet(images.images[start:], ids=images.ids[start:])
    done = 0
    for evidence in detector.measure(rest):
        scores = np.asarray(detector.score(evidence), dtype=np.float64)
        scores = np.where(np.isnan(scores), np.inf, scores)
        n, p = len(evidence), None
        ids = rest.ids[done : done + n]
        if detector.calibration is not None:
            batch = ImageSet(rest.images[done : done + n], ids=ids)
            p = detector.judge(evidence.labels, scores, batch).p_values
        first = start + done
        rows = rows_of(
            evidence, families, indices=indices[first : first + n].tolist(), ids=ids, scores=scores, p_values=p
        )
        write_rows(folder / f"rows-{first:09d}-{first + n:09d}.jsonl", rows)
        done += n
        if over():
            break
    return start + done


def conditions(detector: SmoothnessProfile) -> int:
    """The number of conditions of a detector: the strengths of all kinds of perturbation (probe families) together."""
    return sum(len(p.strengths) for p in detector.probes().values())


def band(detector: SmoothnessProfile) -> list[dict[str, Any]]:
    """For each probe family (kind of perturbation) and each strength, give the 5%, 50% and 95% quantiles of the share
    of draws that kept the label. The quantiles are taken over the inputs on which the detector was fitted."""
    made = []
    for name, probe in detector.probes().items():
        draws = detector.draws_[name]
        kept = (draws == detector.labels_[:, None, None]).sum(axis=2) / np.maximum((draws >= 0).sum(axis=2), 1)
        low, middle, high = np.quantile(kept, [0.05, 0.5, 0.95], axis=0).round(4).tolist()
        made.append({"name": name, "strengths": list(probe.strengths), "low": low, "middle": middle, "high": high})
    return made
