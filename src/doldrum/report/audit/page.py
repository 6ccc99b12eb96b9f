"""The page of an audit: one self-contained HTML file, which needs no network and runs only its own script."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from doldrum.files import write_text_whole
from doldrum.report import words
from doldrum.report.audit import rows as audit_rows
from doldrum.report.audit import view as audit_view
from doldrum.report.audit.profile import Panel, panels
from doldrum.report.audit.rows import Row
from doldrum.report.explained import Explained, explained
from doldrum.report.inspection import view as inspection_view
from doldrum.report.pictures import Pictures, Shot
from doldrum.report.shell import joined, page_environment, policy, shown

__all__ = ["write_audit_page"]

_CARDS, _ROWS, _STATIC_ROWS = 200, 50_000, 50
_STYLES = ("style.css", "explained.css", "audit.css", "inspection.css")
_SCRIPTS = (
    "audit_base.js",
    "audit_profile.js",
    "audit_dialog.js",
    "audit_gallery.js",
    "audit_rows.js",
    "audit_theme.js",
)


def write_audit_page(folder: str | os.PathLike[str]) -> Path:
    """Write report.html into the folder of an audit, and return the path of the page.

    Reads record.json, rows.parquet and pictures/ in `folder`. The names, labels and metadata in these files may come from an
    attacker. The page shows control and bidirectional characters as visible codes, and all texts are escaped for HTML. The page
    contains its styles, script, data and pictures. The content security policy of the page allows only its own script and
    styles, by their SHA-256, and no requests.

    Raises InputError if the record or the rows are missing, or do not have the form that an audit writes.
    """
    from doldrum.records.audit import AuditRecord

    place = Path(folder)
    record = shown(AuditRecord.load(place / "record.json").to_dict())
    drawn = panels([(f["name"], f["strengths"], f["low"], f["middle"], f["high"]) for f in record["band"]])
    conditions = sum(len(p.xs) for p in drawn)
    rows = audit_rows.read_rows(
        place / "rows.parquet", class_names=record["model"]["class_names"], conditions=conditions
    )
    noise = {f"{s:.3g}": i for i, s in enumerate(record["band"][0]["strengths"])} if record["band"] else {}
    cards = _cards(rows, noise, pictures := Pictures(place / "pictures"))
    model = record["inspection"]
    inspection = None
    if model is not None:
        inspection = inspection_view.view(model, place / "inspection" / "pictures")
        # Sentences that the audit's verdict repeats are shown only once
        inspection["sentences"] = audit_view.of_model(record["verdict"]["sentences"], model)
        inspection["figures"] = [one for one in inspection["figures"] if one[0] != inspection_view.ACCURACY]
    found = record["explanations"]
    proofs = [] if found is None else explained(found, record["model"]["class_names"], Pictures(place / "explanations"))
    return write_text_whole(
        place / "report.html", _render(record, rows, drawn, cards, proofs, pictures.left_out, inspection=inspection)
    )


@dataclass(frozen=True)
class _Copy:
    shot: Shot
    most: tuple[str, int] | None  # the label that came back most often at this strength
    draws: int


class _Card:
    """What the page shows of one input: a row with its pictures. The attributes of the row are also attributes of the
    card."""

    def __init__(self, row: Row, shot: Shot | None, copies: Sequence[_Copy]) -> None:
        self.row, self.shot, self.copies = row, shot, copies
        self.index = row.rank - 1
        self.p, self.score = audit_rows.p_text(row.p_value), audit_rows.score_text(row.score)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.row, name)


def _render(
    record: dict[str, Any],
    rows: list[Row],
    drawn: list[Panel],
    cards: list[_Card],
    proofs: list[Explained],
    left_out: int,
    *,
    inspection: dict[str, Any] | None,
) -> str:
    from markupsafe import Markup

    environment = page_environment("doldrum.report.audit", "doldrum.report.inspection")
    environment.filters |= {"percent": words.percent, "number": audit_view.number, "kept": audit_rows.kept_text}
    style = joined(environment, _STYLES)
    script = "(() => {\n" + joined(environment, _SCRIPTS) + "})();\n"
    in_page = rows[:_ROWS]
    page = audit_view.view(record, rows, pictured=len(cards), in_page=len(in_page))
    names = sorted({card.label for card in cards})
    page["gallery_labels"] = [(name, name) for name in names]
    if left_out:
        page["gallery_text"] += (
            f" To keep this page small, {left_out:,} pictures are not shown here. All pictures are in the folder named pictures."
        )
    return environment.get_template("audit.html.j2").render(
        page=page,
        model=inspection,
        panels=drawn,
        cards=cards,
        proofs=proofs,
        first_rows=[_Card(row, None, ()) for row in rows[:_STATIC_ROWS]],
        policy=policy(style=style, script=script),
        style=Markup(style),
        script=Markup(script),
        data=Markup(_island(_columns(in_page))),
    )


def _cards(rows: Sequence[Row], noise: Mapping[str, int], pictures: Pictures) -> list[_Card]:
    """The cards (boxes on the page) of the rows that are flagged or that have a picture.

    First every input gets its own picture; then, if there is space, the pictures of its noisy copies. `noise` maps each
    strength of the first kind of perturbation to the strength's index. Only noisy copies of the first kind are shown.
    """
    chosen = [row for row in rows if row.flag or row.picture][:_CARDS]
    shots = [pictures.main(row.picture) for row in chosen]
    made = []
    for row, shot in zip(chosen, shots, strict=True):
        copies = []
        for copy in pictures.noisy(row.picture):
            at = noise.get(f"{float(copy.strength):.3g}")
            back = () if at is None else row.came_back[at]
            most = max(back, key=lambda pair: pair[1], default=None)
            copies.append(_Copy(copy, most, sum(count for _, count in back)))
        made.append(_Card(row, shot, copies))
    return made


def _columns(rows: Sequence[Row]) -> dict[str, Any]:
    names = sorted({row.label for row in rows})
    where = {name: i for i, name in enumerate(names)}
    return {
        "names": names,
        "id": [row.id for row in rows],
        "label": [where[row.label] for row in rows],
        "p": [row.p_value for row in rows],
        "score": [float(f"{row.score:.5g}") for row in rows],
        "state": [row.state_number for row in rows],
        "kept": [[-1 if k is None else round(100 * k) for k in row.kept] for row in rows],
    }


def _island(value: Any) -> str:
    """JSON that is safe inside a script element: no character in the JSON can end the element or start a comment."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
