"""The content of an inspection's page: sentences, pictures, figures and facts, which are computed from the record."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from doldrum.report.inspection.strips import strips
from doldrum.report.pictures import Pictures, Shot
from doldrum.report.words import counted, model_rows, percent

__all__ = ["ACCURACY", "facts", "material", "view"]

ACCURACY = "accuracy on clean images"
"""The name of the key number that shows the accuracy."""

_DOT = "Each dot is a route: the class that a trigger starts from, and the class that it leads to. A route leads from any class to one class, from one class to any other class, or from any class to any other class. The large dot is the route on which the verdict is based."
_ROUTES = 24  # that the table by class has
_KINDS = {
    "masked-pattern": "a pattern under a mask",
    "additive": "a pattern that is added to the image",
    "blended": "a pattern that is blended into the image",
    "displacement": "a warp",
    "low-frequency": "a smooth pattern that is added to the image",
    "sinusoid": "stripes that are added to the image",
}


def view(record: Mapping[str, Any], pictures: Path) -> dict[str, Any]:
    """The texts and pictures of the page. `record` is an InspectionRecord as a dictionary, and the function `visible` was applied to its texts."""
    verdict, names = record["verdict"], record["model"]["class_names"]
    drawn = strips(record["inspectors"], record["finding"], names, promised=record["references"] is not None)
    return {
        "heading": verdict["heading"],
        "sentences": verdict["sentences"],
        "tone": "alert" if verdict["exit_code"] else "calm",
        "figures": _figures(record, names),
        "trigger": _trigger(record, Pictures(pictures), names),
        "strips": drawn,
        "scale": _scale(record),
        "routes": _routes(record, names),
        "columns": [one["name"] for one in record["inspectors"] if one["values"]],
        "not_looked": verdict["not_looked"],
        "limits": _limits(record),
    }


def _no_sign(record: Mapping[str, Any]) -> bool:
    """Whether the verdict is "no sign". With this verdict, the page calls the result of the search a change, not a
    trigger."""
    return record["verdict"]["word"] == "no sign"


def _name(label: int, names: Sequence[str] | None) -> str:
    if label < 0:
        return "no valid answer"
    return f"{label} ({names[label]})" if names else str(label)


def _figures(record: Mapping[str, Any], names: Sequence[str] | None) -> list[tuple[str, str, str, str]]:
    """The key numbers at the top of the page, each as (name, value, text below the value, colour)."""
    finding, success, references = record["finding"], record["success"], record["references"]
    kind = "backdoored" if record["verdict"]["exit_code"] else "clean"
    made: list[tuple[str, str, str, str]] = []
    if finding is not None:
        where = "any other class" if finding["target"] is None else _name(finding["target"], names)
        source = "any class" if finding["source"] is None else _name(finding["source"], names)
        made.append(("stands out most", where, f"from {source}, by {finding['inspector']}", kind))
    if references is not None and finding is not None:
        under = f"among {counted(references['count'], 'clean reference model')}"
        made.append(("p-value", f"{finding['p_value']:.2g}", under, kind))
    if references is None:
        made.append(("promise", "none", "without reference models", ""))
    if success is not None:
        under = f"of {success['n']:,} images that the search did not use; 95% interval: {percent(success['lower'])} to {percent(success['upper'])}"
        made.append(
            (f"success of the {'change' if _no_sign(record) else 'trigger'}", percent(success["value"]), under, "")
        )
    accuracy = record["clean"]["accuracy"]
    if accuracy is not None:
        under = f"95% interval: {percent(accuracy['lower'])} to {percent(accuracy['upper'])}"
        made.append((ACCURACY, percent(accuracy["value"]), under, ""))
    return made


def _trigger(record: Mapping[str, Any], pictures: Pictures, names: Sequence[str] | None) -> dict[str, Any] | None:
    found = record["trigger"]
    if found is None:
        return None
    target = None if record["finding"] is None else record["finding"]["target"]
    examples: list[dict[str, Any]] = []
    for number, one in enumerate(found["examples"]):
        clean, triggered = (pictures.named(f"{number:02d}-{kind}.png") for kind in ("clean", "trigger"))
        if clean is not None and triggered is not None:
            moved = one["after"] == target if target is not None else one["after"] != one["before"]
            moved = moved and not _no_sign(record)
            examples.append({
                "clean": clean, "with": triggered, "moved": moved,
                "before": _name(one["before"], names), "after": _name(one["after"], names),
            })  # fmt: skip
    alone: list[tuple[Shot, str]] = []
    for name, text in (
        ("trigger.png", "on plain grey"),
        ("change.png", f"mean change of an image, shown at {found['factor']:.2g} times its strength"),
    ):
        if (shot := pictures.named(name)) is not None:
            alone.append((shot, text))
    what = "smallest change" if _no_sign(record) else "trigger"
    kind = _KINDS.get(found["kind"], found["kind"])
    return {"what": what, "kind": kind, "alone": alone, "examples": examples}


def _scale(record: Mapping[str, Any]) -> str:
    if record["references"] is None:
        return (
            f"{_DOT} The position of a dot shows how far its route stands out from the routes of the model’s other classes, in standard deviations. A dot further to the right is more suspicious. No rate of false "
            "alarms is promised here, because in a clean model, too, one class is furthest to the right."
        )
    return (
        f"{_DOT} The position of a dot shows how far the model is from the {record['references']['count']:,} clean reference models on this route, in standard deviations of the reference models. A dot further "
        "to the right is more suspicious. The band covers the values of the most suspicious route of every reference model, from the lowest value to the highest."
    )


def _routes(record: Mapping[str, Any], names: Sequence[str] | None) -> list[tuple[str, list[str], bool]]:
    """The routes (source class and target class) that stand out most.

    Each row has the route's name, how far it stands out for each inspector, and whether the verdict is based on it.
    """
    finding = record["finding"]
    verdicts = None if finding is None else (finding["source"], finding["target"])
    table: dict[tuple[Any, Any], dict[str, float]] = {}
    for one in record["inspectors"]:
        for source, target, _, deviation in one["values"]:
            if deviation is not None:
                table.setdefault((source, target), {})[one["name"]] = deviation
    order = sorted(table, key=lambda route: -max(table[route].values()))[:_ROUTES]
    columns = [one["name"] for one in record["inspectors"] if one["values"]]
    return [
        (
            _route(*route, names),
            [f"{table[route][c]:+.1f}".replace("-", "−") if c in table[route] else "none" for c in columns],
            route == verdicts,
        )
        for route in order
    ]


def _route(source: int | None, target: int | None, names: Sequence[str] | None) -> str:
    start = "any class" if source is None else _name(source, names)
    return f"{start} to {'any other' if target is None else _name(target, names)}"


def _limits(record: Mapping[str, Any]) -> list[str]:
    references = record["references"]
    if references is None:
        first = "Without clean reference models, no rate of false alarms is promised."
    else:
        first = (
            f"The promised false-alarm rate of {percent(references['fpr'])} holds for clean models like the reference models, with the same kind of data, network and training. A clean "
            f"model that is not like the reference models may look suspicious. With {references['count']:,} reference models, no p-value is below 1/{references['count'] + 1:,}."
        )
    return [
        first,
        "The searches for a trigger used one half of the clean images. The other half was used only to test the triggers that the searches found.",
        "A search looks for any small change of an image that makes the model predict a given class. The change that a search finds may not look like the attacker’s own trigger.",
        "An attacker who knows these searches can train a model so that the searches do not find its backdoor.",
    ]


def material(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The facts about the model and the clean images."""
    model, clean, references = record["model"], record["clean"], record["references"]
    found = [
        *model_rows(model),
        ("clean images", f"{clean['images']:,} from {clean['source']}"),
        ("of the clean images", f"{clean['search']:,} were used for the search and {clean['test']:,} for the test"),
    ]
    if references is not None:
        found.append(("reference models", f"{references['count']:,} from {references['source']}"))
    return found


def facts(record: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The facts that are needed to repeat the inspection."""
    return [
        ("seed", str(record["seed"])),
        ("time of the inspectors", f"{sum(one['seconds'] for one in record['inspectors']):,.0f} s"),
        ("model’s SHA-256", record["model"]["sha256"]),
        ("doldrum", record["doldrum"]),
        ("made", record["created"]),
    ]
