"""The inspection's page: one HTML file with everything inside, which needs no network and runs no script."""

from __future__ import annotations

import os
from pathlib import Path

from doldrum.files import write_text_whole
from doldrum.report.inspection import view as inspection_view
from doldrum.report.shell import joined, page_environment, policy, shown

__all__ = ["write_inspection_page"]

_STYLES = ("style.css", "inspection.css")


def write_inspection_page(folder: str | os.PathLike[str]) -> Path:
    """Write report.html into the folder of an inspection; returns its path.

    Reads record.json and pictures/ in `folder`. Names, labels and metadata in them are hostile text: each is made visible (control and
    bidirectional characters as escapes) and escaped. The page holds its style and its pictures; its policy allows no script and no request.

    Raises InputError where the record is missing or not as an inspection writes it.
    """
    from markupsafe import Markup

    from doldrum.records.inspection import InspectionRecord

    place = Path(folder)
    record = shown(InspectionRecord.load(place / "record.json").to_dict())
    environment = page_environment("doldrum.report.inspection")
    style = joined(environment, _STYLES)
    text = environment.get_template("inspection.html.j2").render(
        page=inspection_view.view(record, place / "pictures"),
        material=inspection_view.material(record),
        notes=record["model"]["notes"] or [],
        command=record["command"],
        facts=inspection_view.facts(record),
        policy=policy(style=style),
        style=Markup(style),
    )
    return write_text_whole(place / "report.html", text)
