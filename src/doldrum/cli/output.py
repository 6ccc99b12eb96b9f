"""What commands print: one JSON value or a table on standard output, everything else on standard error."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from doldrum.cli.out_file import JSON, check_out_file
from doldrum.files import write_text_whole

__all__ = ["JsonFlag", "OutOption", "emit", "emit_verdict", "flags_in_words", "message", "message_skipped", "plain"]


def _writable(path: Path | None) -> Path | None:
    if path is not None:
        check_out_file(path, JSON)
    return path


OutOption = Annotated[Path | None, typer.Option(callback=_writable, help="Also write the JSON output to this file.")]
JsonFlag = Annotated[bool, typer.Option("--json", help="Print one JSON object or list on standard output.")]


def message(text: str) -> None:
    """Print one line on standard error. Control characters are printed as escapes, so that the terminal does not act on them."""
    print("".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text), file=sys.stderr)


def message_skipped(
    skipped: Sequence[tuple[str, str]], *, unlisted: int = 0, most: int = 20, where: str = "", did: str = "skipped"
) -> None:
    """Print at most `most` of the skipped items, given as (name, reason), and the number of items that were not printed.

    `unlisted` is the number of skipped items that are not in `skipped`. `where` is a text that says where all skipped
    items are listed.
    """
    for name, why in skipped[:most]:
        message(f"{did} {name}: {why}")
    if (more := len(skipped) + unlisted - most) > 0:
        message(f"{did} {more:,} more{where}")


def flags_in_words(found: Mapping[str, Any], total: int, what: str, *, fdr: float) -> str:
    """State the number of flags, and how many flags are consistent with the promised false-positive rate.

    >>> flags_in_words({"flagged": 9, "fpr": 0.05, "limit": 4, "discoveries": 1}, 30, "images", fdr=0.1)
    '9 of 30 images were flagged, at a promised false-positive rate of 5.00%. If all images were clean, there would be more than 4 flags in fewer than \
5% of cases. There is 1 discovery at a false-discovery rate (FDR) of 0.1'
    """
    flagged, discoveries = found["flagged"], found["discoveries"]
    sets = "is 1 discovery" if discoveries == 1 else f"are {discoveries:,} discoveries"
    return (
        f"{flagged:,} of {total:,} {what} {'was' if flagged == 1 else 'were'} flagged, at a promised false-positive rate of {found['fpr']:.2%}. If all {what} were "
        f"clean, there would be more than {found['limit']:,} flags in fewer than 5% of cases. There {sets} at a false-discovery rate (FDR) of {fdr:g}"
    )


def emit(value: Any, *, as_json: bool, out: Path | None = None, table: Any = None, below: Sequence[str] = ()) -> None:
    """If `as_json` is true, print `value` as JSON. Otherwise, print `table` and the lines in `below`. If `out` is
    given, also write the JSON to this file."""
    text = json.dumps(plain(value), indent=2, ensure_ascii=False, allow_nan=False)
    if out is not None:
        write_text_whole(out, text + "\n")
    if as_json:
        print(text)
        return
    if table is not None and not isinstance(table, str):
        from rich.console import Console

        Console(highlight=False).print(table)
        table = None
    # As they are, never wrapped: an address or flags are copied in one piece.
    for line in [*([] if table is None else [table]), *below]:
        print(line)


def emit_verdict(
    record: Any, *, as_json: bool, out: Path, page: Path, more: Sequence[str] = (), last: str | None = None
) -> None:
    """If `as_json` is true, print a job's record as JSON. Otherwise, print the verdict in the record.

    The heading of the verdict is printed first, then its sentences, and then the sentences in `more`. `last` is the
    text of the last line. By default, the last line says where the report is.
    """
    if as_json:
        emit({"out": str(out), "report": str(page), **record.to_dict()}, as_json=True)
        return
    message("")
    message(record.verdict["heading"])
    for sentence in [*record.verdict["sentences"], *more]:
        message(f"- {sentence}")
    message(last or f"The report is {page}")


def plain(value: Any) -> Any:
    """A value in a form that JSON can hold: numpy scalars become numbers, tuples become lists, and NaN becomes null.

    >>> plain({"a": (1, float("nan"))})
    {'a': [1, None]}
    """
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if hasattr(value, "tolist") and not isinstance(value, (str, bytes)):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    return str(value)
