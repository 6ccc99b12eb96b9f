"""Small HTML tables that a notebook shows for a result."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from doldrum.intake import visible

__all__ = ["MOST_ROWS", "html_table"]

MOST_ROWS = 10
"""The largest number of rows that a table shows. The text below the table says how many rows are not shown."""


def html_table(
    heading: str,
    figures: Mapping[str, Any],
    *,
    columns: Sequence[str] = (),
    rows: Sequence[Sequence[Any]] = (),
    total: int | None = None,
) -> str:
    """Make the HTML of a heading, a line of named figures and a table of the first rows. A figure whose value is None
    is left out.

    `total` is the number of rows in the complete table, of which `rows` may hold only the first rows. All text is
    escaped, including invisible characters, because names may come from somebody else's files. Numbers get three
    digits.

    >>> html_table("1 of 2 flagged", {"rate": 0.01, "limit": None}, columns=["id"], rows=[["<b>"]])
    '<div><b>1 of 2 flagged</b><br>rate: 0.01<table><tr><th>id</th></tr><tr><td>&lt;b&gt;</td></tr></table></div>'
    """
    text = " · ".join(f"{_cell(name)}: {_cell(value)}" for name, value in figures.items() if value is not None)
    parts = [f"<b>{_cell(heading)}</b>", *([f"<br>{text}"] if text else [])]
    if rows:
        head = "".join(f"<th>{_cell(name)}</th>" for name in columns)
        body = "".join(f"<tr>{''.join(f'<td>{_cell(value)}</td>' for value in row)}</tr>" for row in rows[:MOST_ROWS])
        parts.append(f"<table><tr>{head}</tr>{body}</table>")
    more = (len(rows) if total is None else total) - min(len(rows), MOST_ROWS)
    if more > 0:
        parts.append(f"and {more:,} more")
    return f"<div>{''.join(parts)}</div>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return escape(f"{value:.3g}" if isinstance(value, float) else visible(str(value), most=1000))
