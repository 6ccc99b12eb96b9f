"""README.md: the studies, the demo's figure, and the audit that it shows."""

from __future__ import annotations

import json
from collections.abc import Iterator

from doldrum.attacks import ATTACKS
from results import demo, pages
from results.figures import Studies
from results.quotes import detection, results

PAGE = "README.md"
AUDIT = pages.ROOT / "docs" / "figures" / "audit.json"
INSPECTION = AUDIT.with_name("inspection.json")


def quotes(studies: Studies) -> Iterator[str]:
    yield demo.sizes()
    yield from audit()
    yield from inspection()
    for where, ours, strip in results.detectors(studies):
        yield f"| {where.removesuffix(' (*)')} | {ours} | STRIP {strip} |"
    ours, classic = results.verdicts(studies)
    attacks = detection.attacks(studies)
    yield (f"| {attacks} attacks, two small networks on Fashion-MNIST | {ours[0]} | Neural Cleanse {classic[0]} |")
    yield f"| the same networks, without a backdoor | {ours[1]} | Neural Cleanse {classic[1]} |"
    yield f"| {results.broken(studies).split()[-1]} poisoned sets of Fashion-MNIST | {results.broken(studies)} |"
    yield f"make backdoors to test against: {len(ATTACKS)} attacks"


def audit() -> Iterator[str]:
    """What tools/draw-figures wrote down of the audit that it took pictures of."""
    said = json.loads(AUDIT.read_text(encoding="utf-8"))
    yield f"{said['flagged']} of {said['scanned']} images were flagged. If all images were clean, about {said['expected']:.0f} flags would be expected"
    yield f"{said['gathered']} of the {said['flagged']} flagged images are predicted as class 0 (T-shirt)"
    yield f"{said['triggered']} of the {said['scanned']} images carry the trigger, and {said['found']} of these are among the {said['flagged']} flagged images."


def inspection() -> Iterator[str]:
    """What README's own inspect command said: the heading, and every sentence with figures that README repeats."""
    said = json.loads(INSPECTION.read_text(encoding="utf-8"))
    yield said["heading"]
    for number in (0, 2, 3):
        yield f"- {said['sentences'][number]}"
