"""The texts of an audit's page: sentences, figures and facts, which are computed from the record."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from doldrum.report.audit.rows import Row
from doldrum.report.explained import heading
from doldrum.report.words import model_rows, percent

__all__ = ["of_model", "view"]

_CLASSES, _NAMES = 12, 100
_READS = "The score depends on how many noisy copies keep the label, and on which other labels the noisy copies get. So an input can be suspicious although its line is inside the band."
_CONCENTRATION = (
    "The p-value of a class is the probability that some class would get at least as many of the flags if the flags were spread over all images by chance. This p-value is corrected for the number "
    "of predicted classes (Bonferroni), but not for repeated audits, or for other values of --fpr. False alarms can also concentrate on one class."
)
_COLUMNS = (
    ("rank", "Rank"),
    ("id", "Input"),
    ("label", "Class"),
    ("p", "p-value"),
    ("score", "Score"),
    ("state", "Flag"),
)


def view(record: dict[str, Any], rows: Sequence[Row], *, pictured: int, in_page: int) -> dict[str, Any]:
    """The texts and numbers of the page. `record` is an AuditRecord as a dictionary, and the function `visible` was applied to its texts."""
    promise, flags = record["promise"], record["flags"] or {}
    ranking = promise is None
    flagged = sum(row.flag for row in rows)
    alarm = record["verdict"]["exit_code"] == 3
    return {
        "heading": record["verdict"]["heading"],
        "sentences": record["verdict"]["sentences"],
        "ranking": ranking,
        "tone": "alert" if alarm else "calm",
        "figures": _figures(record, flags, ranking, alarm),
        "limits": _limits(promise, concentration=record["concentration"] is not None and flags["count"] > 1),
        "sections": [
            ("verdict", "Verdict"),
            *([] if record["inspection"] is None else [("inspection", "The model")]),
            ("limits", "Limits"),
            ("flags", "Counts"),
            *([] if record["explanations"] is None else [("explained", "Triggers")]),
            ("gallery", "Gallery"),
            ("all", "All inputs"),
            ("skipped", "Skipped"),
            ("model", "Model"),
            ("repeat", "Repeat"),
        ],
        "explained": "" if record["explanations"] is None else heading(record["explanations"]),
        "promise": "" if ranking else _promise(promise),
        "bars": [] if ranking else _bars(flags, alarm),
        "bars_most": 0 if ranking else max(1, *(value for _, value, _ in _bars(flags, alarm))),
        "classes": _classes(rows),
        "classes_caption": _classes_caption(rows, ranking),
        "gallery_title": "Flagged inputs" if flagged and pictured else "Most suspicious inputs",
        "gallery_text": f"{_gallery_text(flagged, pictured, ranking)} {_READS}".strip(),
        "gallery_states": _states(ranking, flags, every="all with a picture", flagged_first=flagged > 0),
        "states": _states(ranking, flags, every="all", flagged_first=False),
        "rows": len(rows),
        "rows_text": _rows_text(len(rows), in_page),
        "columns": [(key, name) for key, name in _COLUMNS if not (ranking and key in ("p", "state"))],
        "skipped": _skipped(record["images"]["skipped"]),
        "skipped_text": _skipped_text(record["images"]),
        "band_name": "middle 90% of all scanned inputs" if ranking else "middle 90% of clean inputs",
        "material": _material(record),
        "notes": record["model"]["notes"] or [],
        "command": record["command"],
        "facts": _facts(record),
    }


def of_model(sentences: Sequence[str], inspection: Mapping[str, Any]) -> list[str]:
    """The sentences of an audit's inspection, without sentences that are also in the audit's verdict.

    The audit and the inspection have some sentences in common, because they use the same clean images.
    """
    return [sentence for sentence in inspection["verdict"]["sentences"] if sentence not in sentences]


def _count(number: int, one: str, many: str) -> str:
    return f"{number:,} {one if number == 1 else many}"


def _figures(
    record: dict[str, Any], flags: dict[str, Any], ranking: bool, alarm: bool
) -> list[tuple[str, str, str, str]]:
    images = record["images"]
    found = []
    if not ranking:
        kind = "backdoored" if flags["more_than_promised"] else "clean"
        under = f"of {images['scanned']:,} scanned: {percent(flags['count'] / max(images['scanned'], 1))}"
        found.append(("flagged", f"{flags['count']:,}", under, kind))
        under = f"flags are expected if all images are clean; chance can explain up to {number(flags['limit'])} flags"
        found.append(("expected", number(flags["expected"]), under, ""))
        if alarm and not flags["more_than_promised"]:
            under = "more inputs stand out than chance can explain"
            found.append(("discoveries", f"{flags['discoveries']:,}", under, "backdoored"))
    else:
        found.append(
            ("scanned", f"{images['scanned']:,}", "inputs were ranked by score; no input was flagged", "clean")
        )
    found.append(("skipped", f"{_skipped_count(images):,}", "files not scanned", ""))
    clean = record["clean"]
    if clean and clean["accuracy"]:
        accuracy = clean["accuracy"]
        under = f"95% interval: {percent(accuracy['lower'])} to {percent(accuracy['upper'])}"
        if clean["claimed"] is not None:
            under += f"; {percent(clean['claimed'])} claimed"
        found.append(("accuracy on clean images", percent(accuracy["value"]), under, ""))
    return found


def _skipped_count(images: dict[str, Any]) -> int:
    return len(images["skipped"]) + images["unlisted"]


def number(value: float) -> str:
    """A count as text; an expected count gets one decimal if it is not whole.

    >>> number(12.0), number(9.96), number(0.34)
    ('12', '10', '0.3')
    """
    if abs(value - round(value)) < 0.05:
        return f"{round(value):,}"
    return f"{value:,.1f}"


def _limits(promise: dict[str, Any] | None, *, concentration: bool) -> list[str]:
    """The limits of the results: what the numbers mean, and for which inputs they hold."""
    known = (
        "If no seed was given, a seed was drawn at random and kept secret until the audit was over. So nobody can have trained a model to evade exactly the noise draws "
        "of this audit. But a model can be trained to evade the method with any noise draws."
    )
    if promise is None:
        return [
            "A score has no unit: it only ranks the inputs of one audit. Do not compare scores of different audits.",
            known,
        ]
    size = promise["num_calibration"]
    return [
        "The promised false-positive rate holds for inputs like the clean images that were given. More inputs are flagged if the scanned inputs differ from the clean images, even for a harmless "
        "reason such as another camera.",
        f"A p-value is (k + 1) / (n + 1), where k of the n clean images look at least as suspicious as the input. With {size:,} clean images, "
        f"no p-value is below 1/{size + 1:,}.",
        *([_CONCENTRATION] if concentration else []),
        known,
    ]


def _promise(promise: dict[str, Any]) -> str:
    return (
        f"The promise is that, on average, {percent(promise['fpr'])} of inputs like the clean images are flagged. With "
        f"{promise['num_calibration']:,} calibration images, the actual rate is between "
        f"{percent(promise['lower'])} and {percent(promise['upper'])} for 95% of calibration sets."
    )


def _bars(flags: dict[str, Any], alarm: bool) -> list[tuple[str, float, str]]:
    bars = [
        ("expected if all inputs are clean", flags["expected"], "quiet"),
        ("most flags that chance can explain", flags["limit"], "quiet"),
        ("flagged", flags["count"], "flagged" if flags["more_than_promised"] else "calm"),
    ]
    if flags["discoveries"]:
        name = "discoveries among them" if flags["discoveries"] <= flags["count"] else "discoveries"
        kind = "flagged" if alarm and not flags["more_than_promised"] else "quiet"
        bars.append((name, flags["discoveries"], kind))
    return bars


def _classes(rows: Sequence[Row]) -> list[tuple[str, int, int]]:
    scanned, flagged = Counter(row.label for row in rows), Counter(row.label for row in rows if row.flag)
    ordered = sorted(scanned, key=lambda name: (-flagged[name], -scanned[name], name))
    return [(name, scanned[name], flagged[name]) for name in ordered[:_CLASSES]]


def _classes_caption(rows: Sequence[Row], ranking: bool) -> str:
    count = len({row.label for row in rows})
    order = (
        "and the class with the most scanned inputs is first"
        if ranking
        else "and the class with the most flags is first"
    )
    return (
        f"The table has {_CLASSES} of the {count:,} predicted classes, {order}"
        if count > _CLASSES
        else f"The table has all predicted classes, {order}"
    )


def _gallery_text(flagged: int, pictured: int, ranking: bool) -> str:
    if ranking or not flagged:
        none = "" if ranking else "No input was flagged. "
        return (
            f"{none}The {pictured:,} most suspicious inputs are shown, the most suspicious first." if pictured else none
        )
    kept = f"{_count(flagged, 'input was', 'inputs were')} flagged. The most suspicious inputs are shown first."
    if pictured < flagged:
        kept += f" Only the {pictured:,} most suspicious inputs have pictures here. The table below lists all inputs."
    elif pictured > flagged:
        kept += f" The next {pictured - flagged:,} inputs are not flagged, and are shown for comparison."
    return kept


def _states(ranking: bool, flags: dict[str, Any], *, every: str, flagged_first: bool) -> list[tuple[str, str]]:
    if ranking:
        return []
    states = [("flagged", "flagged"), ("discovery", "discoveries"), ("not", "not flagged")]
    states = [s for s in states if s[0] != "discovery" or flags.get("discoveries")]
    return [states[0], ("", every), *states[1:]] if flagged_first else [("", every), *states]


def _rows_text(count: int, in_page: int) -> str:
    text = "The most suspicious input is first. Click a heading to sort the table by it. In the table, the arrow keys, Page Up, Page Down, Home and End move between rows, and Enter opens an input."
    if in_page < count:
        text += f" The table shows the {in_page:,} most suspicious inputs. All inputs are in rows.parquet, in the same folder as this page."
    return text


def _skipped(skipped: Sequence[dict[str, Any]]) -> list[tuple[str, int, list[str]]]:
    by_reason: dict[str, list[str]] = defaultdict(list)
    for one in skipped:
        by_reason[one["why"]].append(one["id"])
    ordered = sorted(by_reason.items(), key=lambda item: (-len(item[1]), item[0]))
    return [(why, len(names), names[:_NAMES]) for why, names in ordered]


def _skipped_text(images: dict[str, Any]) -> str:
    text = f"{_count(_skipped_count(images), 'file was', 'files were')} found but not scanned."
    if images["unlisted"]:
        text += f" The first {len(images['skipped']):,} are listed."
    return text


def _material(record: dict[str, Any]) -> list[tuple[str, str]]:
    model, clean, images = record["model"], record["clean"], record["images"]
    facts = [
        *model_rows(model),
        ("images scanned", f"{images['scanned']:,} from {images['source']}"),
    ]
    if clean:
        facts.append(("clean images", clean["source"]))
        facts.append(
            (
                "of the clean images",
                f"{clean['fit']:,} images were used to fit the detector, and {clean['calibration']:,} images to calibrate the detector",
            )
        )
        if clean["accuracy"]:
            facts.append(("with a true label", f"{clean['accuracy']['labelled']:,}"))
    return facts


def _facts(record: dict[str, Any]) -> list[tuple[str, str]]:
    promise = record["promise"]
    facts = [
        ("seed", str(record["seed"])),
        ("model’s SHA-256", record["model"]["sha256"]),
        ("doldrum", record["doldrum"]),
        ("made", record["created"]),
    ]
    if promise:
        facts.insert(1, ("detector", f"{promise['detector']}, {promise['forwards']:,} forward passes per input"))
    return facts
