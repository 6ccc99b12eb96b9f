"""What the figures of an inspection say, in plain words, and what they can't say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from doldrum.inspecting.facts import InspectionFacts

__all__ = ["NOT_LOOKED", "class_name", "told"]

NOT_LOOKED = (
    "a trigger that differs from image to image",
    "several triggers that work only together, or another trigger for each of several classes",
    "a backdoor that opens to certain natural images, such as all green cars, without anything being added",
    "a trigger that changes images more than the triggers that were searched for",
)
"""What no inspector looks for."""

_HEADINGS = {
    "backdoor shown": "Backdoor shown: a trigger {to}",
    "suspicious": "Suspicious: {it} stands out",
    "no sign": "No sign of a backdoor",
    "no conclusion": "No conclusion: there is nothing to compare the model with",
}
_MEANS = {
    "no sign": "This is no proof that the model is clean.",
    "suspicious": "This is no proof. Wrong labels in the training data make a class easier to reach, too, and so does training of another kind than the references'. A "
    "clean model may also have a trigger that nobody has put there (a natural backdoor). Look at the trigger's picture.",
    "backdoor shown": "Somebody may have put the trigger there, or the training data hold something that works like one (a natural backdoor). Either way, "
    "a person who adds it to an image decides what the model answers.",
}


def told(facts: InspectionFacts, references: Mapping[str, Any] | None) -> dict[str, Any]:
    """{word, exit_code, heading, sentences, not_looked} of an inspection."""
    finding, names = facts.finding, facts.model["class_names"]
    compared = finding is not None and finding["score"] is not None
    word = facts.word if compared else "no conclusion"
    sentences = [*facts.doubts]
    if finding is None or not compared:
        heading = _HEADINGS[word]
        sentences += [_nothing(facts), *([] if finding is None else _worked(facts, finding))]
    else:
        heading = _HEADINGS[word].format(to=_leads(finding, names), it=_what(finding, names))
        sentences += _compared(facts, finding, references, word)
        if word != "no sign":
            sentences += _worked(facts, finding) or ["No trigger was found that could be tested."]
        sentences.append(_MEANS[word])
        if word == "no sign" and references is not None:
            sentences.append("What was looked for was not found more easily than in the clean references.")
    if facts.doubts:
        heading = f"The model does not do on clean images what it should. {heading}"
    not_looked = [*(f"{one['inspector']}: {one['refused']}" for one in facts.readings if one["refused"]), *NOT_LOOKED]
    return {
        "word": word,
        "exit_code": 3 if word in ("suspicious", "backdoor shown") else 0,
        "heading": heading,
        "sentences": [*sentences, *facts.remarks],
        "not_looked": not_looked,
    }


def class_name(label: int, names: Sequence[str] | None) -> str:
    """A class in words.

    >>> class_name(1, None), class_name(1, ["cat", "dog"]), class_name(-1, None)
    ('class 1', 'class 1 (dog)', 'no valid answer')
    """
    if label < 0:
        return "no valid answer"
    return f"class {label}" + (f" ({names[label]})" if names else "")


def _what(finding: Mapping[str, Any], names: Sequence[str] | None) -> str:
    if finding["target"] is not None:
        return class_name(finding["target"], names)
    return "the way out of " + ("every class" if finding["source"] is None else class_name(finding["source"], names))


def _leads(finding: Mapping[str, Any], names: Sequence[str] | None) -> str:
    """What a trigger on the route does, after "a trigger"."""
    return f"leads {_start(finding, names)} to {_end(finding, names)}"


def _start(finding: Mapping[str, Any], names: Sequence[str] | None) -> str:
    return "images" if finding["source"] is None else f"images of {class_name(finding['source'], names)}"


def _end(finding: Mapping[str, Any], names: Sequence[str] | None) -> str:
    return "another class than their own" if finding["target"] is None else class_name(finding["target"], names)


def _nothing(facts: InspectionFacts) -> str:
    from doldrum.inspectors.judging.anomaly import FEWEST

    classes = facts.model["num_classes"]
    why = (
        f"This model has {classes} classes, and that takes at least {FEWEST}."
        if classes < FEWEST
        else f"For too few of its {classes:,} classes an inspector came to a result."
    )
    return f"Without reference models, the model's classes are compared with one another. {why} Give clean reference models with --references."


def _compared(
    facts: InspectionFacts, finding: Mapping[str, Any], references: Mapping[str, Any] | None, word: str
) -> list[str]:
    what = _what(finding, facts.model["class_names"])
    if references is None:
        out = (
            "stands out most among the model's classes"
            if word == "no sign"
            else "stands out from the model's other classes"
        )
        return [
            f"By the inspector {finding['inspector']}, {what} {out} (p = {finding['anomaly']:.2g}, if the classes of a clean model were alike).",
            "No reference models were given, so no false-alarm rate is promised. The classes of a clean model are not alike: some are easier to reach than "
            "others, so clean models are called suspicious too. Give clean models like this one with --references for a promise.",
        ]
    count, p = references["count"], finding["p_value"]
    as_far = round(p * (count + 1)) - 1
    further = (
        f"None of the {count:,} clean reference models stands"
        if as_far == 0
        else f"{as_far:,} of {count:,} clean reference models stand"
    )
    return [
        f"{further} out as far as this model (p = {p:.2g}). It stands out most by {what}, to the inspector {finding['inspector']}.",
        f"Of clean models like the references (the same kind of data, network and training), at most {references['fpr']:.1%} are called suspicious or worse, on average.",
    ]


def _worked(facts: InspectionFacts, finding: Mapping[str, Any]) -> list[str]:
    """What the trigger that was found does on images that no search has seen."""
    success = facts.success
    if success is None:
        return []
    names = facts.model["class_names"]
    return [
        f"The trigger that was found was put on {success['n']:,} clean {_start(finding, names)} that no search has seen. It sent "
        f"{success['hits']:,} of them to {_end(finding, names)}: {success['value']:.1%} (95%: {success['lower']:.1%} to {success['upper']:.1%}).",
        *_smaller(finding),
    ]


def _smaller(finding: Mapping[str, Any]) -> list[str]:
    if finding["smaller"] is None:
        return []
    times = finding["smaller"]
    how = f"{times:.1f} times smaller than" if times >= 1.05 else "about as large as"
    return [f"This trigger is {how} the one that the same search finds in the clean references, on average."]
