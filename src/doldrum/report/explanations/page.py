"""The page of explanations: one self-contained HTML file without a script."""

from __future__ import annotations

import os
from pathlib import Path

from doldrum.files import write_text_whole
from doldrum.intake.text import visible
from doldrum.report.explained import explained, heading, whose_trigger
from doldrum.report.pictures import Pictures
from doldrum.report.shell import page_environment

__all__ = ["write_explanations_page"]


def write_explanations_page(folder: str | os.PathLike[str]) -> Path:
    """Write report.html into the folder of an explanation, and return the path of the page.

    Reads record.json and pictures/ in `folder`. The names in the record may come from an attacker. The page shows
    invisible characters as codes, and HTML is escaped.

    Raises InputError if the record is missing, or does not have the form that `doldrum explain` writes.
    """
    from doldrum.records.explanations import ExplanationRecord

    place = Path(folder)
    loaded = ExplanationRecord.load(place / "record.json")
    record, told = loaded.to_dict(), whose_trigger(loaded.explanations)
    found, model = record["explanations"], record["model"]
    names = model["class_names"]
    page = {
        "heading": heading(found),
        "notes": [
            *([] if told is None else [told]),
            *(visible(n, most=2000) for n in (*found["notes"], *record["remarks"])),
        ],
        "skipped": [(visible(s["id"]), visible(s["why"], most=1000)) for s in record["skipped"][:100]],
        "command": visible(record["command"], most=4000),
        "facts": [
            ("model", visible(model["name"])),
            ("format", visible(model["format"])),
            ("model’s SHA-256", visible(model["sha256"])),
            ("clean images", f"{found['clean']:,} from {visible(record['clean'])}"),
            ("queries", f"{found['queries']:,}"),
            ("alpha", f"{found['alpha']:g}"),
            ("seed", str(found["seed"])),
            ("doldrum", visible(record["doldrum"])),
            ("made", visible(record["created"])),
        ],
    }
    cards = explained(found, None if names is None else [visible(n) for n in names], Pictures(place / "pictures"))
    text = page_environment("doldrum.report.explanations").get_template("explanations.html.j2").render(
        page=page, cards=cards
    )  # fmt: skip
    return write_text_whole(place / "report.html", text)
