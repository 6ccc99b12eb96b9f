"""The page of a repair: one self-contained HTML file, which needs no network and has no script."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from doldrum.files import write_text_whole
from doldrum.report.shell import joined, page_environment, policy, shown
from doldrum.report.words import model_rows, percent

__all__ = ["write_repair_page"]

_STYLES = ("style.css", "inspection.css")
_LIMITS = (
    "Only the recovered trigger was tested. Another trigger that was not recovered may still work.",
    "The recovered trigger may differ from the attacker’s own trigger. The attacker’s trigger may still work although the recovered trigger no longer does.",
    "The measured accuracy holds for images like the clean images that were given.",
)
"""Sentences about what the result of a repair cannot show."""
_HELD_BACK = "The repair did not train on the held-back images."
_SEARCHED = {
    "inspection": "If the inspection had the same clean images and the same seed as the repair, the inspection's search for a trigger did not use the held-back images.",
    "explanation": "The explanation's search for a trigger did not use the held-back images.",
}


def write_repair_page(folder: str | os.PathLike[str]) -> Path:
    """Write report.html into the folder of a repair, and return the path of the page.

    Reads record.json. The names, labels and metadata in this file may come from an attacker. The page shows invisible
    characters as codes, and HTML is escaped. The style is inside the page itself. The content security policy of the
    page allows no scripts and no requests. Raises InputError if the record is missing, or does not have the form that a
    repair writes.
    """
    from markupsafe import Markup

    from doldrum.records.repair import RepairRecord

    place = Path(folder)
    record = shown(RepairRecord.load(place / "record.json").to_dict())
    environment = page_environment("doldrum.report.repair", "doldrum.report.inspection")
    style = joined(environment, _STYLES)
    text = environment.get_template("repair.html.j2").render(
        page={
            "heading": record["verdict"]["heading"],
            "sentences": record["verdict"]["sentences"],
            "tone": "alert" if record["verdict"]["exit_code"] else "calm",
            "figures": _figures(record),
        },
        limits=[*_LIMITS, *_held_back(record["recovered"])],
        material=_material(record),
        notes=record["model"]["notes"] or [],
        command=record["command"],
        facts=_facts(record),
        policy=policy(style=style),
        style=Markup(style),
    )
    return write_text_whole(place / "report.html", text)


def _held_back(recovered: Mapping[str, Any] | None) -> list[str]:
    if recovered is None:
        return [_HELD_BACK]
    kind = "explanation" if recovered["inspector"] is None else "inspection"
    return [f"{_HELD_BACK} {_SEARCHED[kind]}"]


def _figures(record: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """The key numbers at the top of the page, each as (name, value, text below the value, colour)."""
    made: list[tuple[str, str, str, str]] = []
    if record["success"] is not None:
        before, after = record["success"]["before"], record["success"]["after"]
        kind = "backdoored" if record["verdict"]["exit_code"] else "clean"
        made.append(
            (
                "the trigger worked on",
                percent(before["value"]),
                f"of {before['n']:,} held-back images, before the repair",
                "",
            )
        )
        under = f"after the repair; 95% interval: {percent(after['lower'])} to {percent(after['upper'])}"
        made.append(("the trigger works on", percent(after["value"]), under, kind))
    if record["accuracy"] is not None:
        before, after, change = (record["accuracy"][name] for name in ("before", "after", "difference"))
        made.append(("accuracy before", percent(before["value"]), f"of {before['n']:,} held-back images", ""))
        under = (
            f"change in percentage points, 95% interval: {100 * change['lower']:+.1f} to {100 * change['upper']:+.1f}"
        )
        made.append(("accuracy after", percent(after["value"]), under.replace("-", "−"), ""))
    else:
        same = record["agreement"]
        made.append(("same label as before", percent(same["value"]), f"of {same['n']:,} held-back images", ""))
    if record["larger"] is not None:
        made.append(
            ("smallest trigger now", f"{record['larger']:.2g} times", "as large as before, for the same classes", "")
        )
    return made


def _material(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The facts about the model, the images and the method."""
    model, clean, recovered = record["model"], record["clean"], record["recovered"]
    whose = "given" if clean["labels"] == "given" else "the model’s own"
    found = [
        *model_rows(model),
        ("clean images", f"{clean['images']:,} from {clean['source']}"),
        ("of the clean images", f"{clean['fit']:,} were used for training and {clean['test']:,} for the test"),
        ("labels", whose),
        ("method", f"{record['method']['title']} ({record['method']['settings']})"),
    ]
    if recovered is not None:
        ends = ["any class" if recovered["source"] is None else str(recovered["source"])]
        ends.append("any other" if recovered["target"] is None else str(recovered["target"]))
        who = "proven by the explanation" if recovered["inspector"] is None else f"found by {recovered['inspector']}"
        found.append(("trigger", f"{who}, from {ends[0]} to {ends[1]}"))
    return found


def _facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The facts that are needed to repeat the repair."""
    return [
        ("seed", str(record["seed"])),
        ("time", f"{record['seconds']:,.0f} s"),
        ("model’s SHA-256", record["model"]["sha256"]),
        ("repaired model", f"{record['repaired']['name']}, {record['repaired']['bytes']:,} bytes"),
        ("its SHA-256", record["repaired"]["sha256"]),
        ("doldrum", record["doldrum"]),
        ("made", record["created"]),
    ]
