"""The page of an inspection: one self-contained HTML file, which needs no network and has no script."""

from __future__ import annotations

import os
from pathlib import Path

from doldrum.files import write_text_whole
from doldrum.report.inspection import view as inspection_view
from doldrum.report.shell import joined, page_environment, policy, shown

__all__ = ["write_inspection_page"]

_STYLES = ("style.css", "inspection.css")


def write_inspection_page(folder: str | os.PathLike[str]) -> Path:
    """Write report.html into the folder of an inspection, and return the path of the page.

    Reads record.json and pictures/ in `folder`. The names, labels and metadata in these files may come from an
    attacker. The page shows control and bidirectional characters as visible codes, and all texts are escaped for HTML.
    The style and the pictures are inside the page itself. The content security policy of the page allows no scripts and
    no requests.

    Raises InputError if the record is missing, or does not have the form that an inspection writes.
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
