"""The verdict of an inspection in plain words: what its results show, and what they do not show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from doldrum.inspecting.facts import InspectionFacts

__all__ = ["NOT_LOOKED", "class_name", "told"]

NOT_LOOKED = (
    "a trigger that differs from image to image",
    "several triggers that work only together, or a different trigger for each of several classes",
    "a backdoor that some natural images activate, such as all green cars, without any added trigger",
    "a trigger that changes images more than the triggers that were searched for",
)
"""Kinds of backdoors that no inspector looks for."""

_HEADINGS = {
    "backdoor shown": "Backdoor shown: a trigger {to}",
    "suspicious": "Suspicious: {it} stands out",
    "no sign": "No sign of a backdoor",
    "no conclusion": "No conclusion: there is nothing to compare the model with",
}
_MEANS = {
    "no sign": "This is no proof that the model is clean.",
    "backdoor shown": "Either somebody put the trigger there, or something in the training data works like one (a natural backdoor). In both cases, "
    "a person who adds the trigger to an image decides what the model answers.",
}


def told(facts: InspectionFacts, references: Mapping[str, Any] | None, *, shown: bool) -> dict[str, Any]:
    """The verdict of an inspection as {word, exit_code, heading, sentences, not_looked}.

    `shown` says whether there is a trigger that the report can show.
    """
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
        if word == "no sign":
            if references is not None:
                sentences.append(
                    "No result for this model stands out further than the results of the same searches in the clean references."
                )
            sentences += _worked(facts, finding, what="smallest change")
        else:
            sentences += _worked(facts, finding) or [_untested(finding, shown=shown)]
        sentences.append(_suspects(references, shown=shown) if word == "suspicious" else _MEANS[word])
    if facts.doubts:
        heading = f"The model performs worse on clean images than it should. {heading}"
    refused = [f"{one['inspector']}: {one['refused']}" for one in facts.readings if one["refused"]]
    not_looked = [*refused, *_not_run(facts), *NOT_LOOKED]
    return {
        "word": word,
        "exit_code": 3 if word in ("suspicious", "backdoor shown") else 0,
        "heading": heading,
        "sentences": [*sentences, *facts.remarks],
        "not_looked": not_looked,
    }


def _not_run(facts: InspectionFacts) -> list[str]:
    """One line for each default inspector that was left out by --inspectors."""
    from doldrum.inspectors.kinds import DEFAULT, INSPECTORS

    run = {one["inspector"] for one in facts.readings}
    return [
        f"{name}: not run, because of --inspectors; it looks for {INSPECTORS[name].title}"
        for name in DEFAULT
        if name not in run
    ]


def _untested(finding: Mapping[str, Any], *, shown: bool) -> str:
    """Return a sentence that says why the report gives no success rate of a trigger."""
    if shown:
        return "The trigger that was found could not be tested: it starts from certain classes, and no clean image of these classes is left for the test."
    return f"The inspector {finding['inspector']} shows no trigger here, so there is no trigger to test or to look at."


def _suspects(references: Mapping[str, Any] | None, *, shown: bool) -> str:
    """What the verdict "suspicious" means, in sentences."""
    other = (
        ""
        if references is None
        else " Training that differs from the training of the references can also make a model stand out."
    )
    look = " Look at the picture of the trigger." if shown else ""
    return (
        f"This is no proof. Wrong labels in the training data can also make a model stand out.{other} A clean model can also have a trigger that nobody put there (a "
        f"natural backdoor).{look}"
    )


def class_name(label: int, names: Sequence[str] | None) -> str:
    """Return the words for a class in a sentence: its number and, if known, its name.

    >>> class_name(1, None), class_name(1, ["cat", "dog"]), class_name(-1, None)
    ('class 1', 'class 1 (dog)', 'no valid answer')
    """
    if label < 0:
        return "no valid answer"
    return f"class {label}" + (f" ({names[label]})" if names else "")


def _what(finding: Mapping[str, Any], names: Sequence[str] | None) -> str:
    if finding["target"] is not None:
        return class_name(finding["target"], names)
    start = "any class" if finding["source"] is None else class_name(finding["source"], names)
    return f"the change from {start} to any other class"


def _leads(finding: Mapping[str, Any], names: Sequence[str] | None) -> str:
    """Return the words that follow "a trigger" in a sentence: from which class to which class the trigger leads
    images."""
    return f"leads {_start(finding, names)} to {_end(finding, names)}"


def _start(finding: Mapping[str, Any], names: Sequence[str] | None) -> str:
    return "images" if finding["source"] is None else f"images of {class_name(finding['source'], names)}"


def _end(finding: Mapping[str, Any], names: Sequence[str] | None) -> str:
    return "a class other than their own" if finding["target"] is None else class_name(finding["target"], names)


def _nothing(facts: InspectionFacts) -> str:
    from doldrum.inspectors.judging.anomaly import FEWEST

    classes = facts.model["num_classes"]
    why = (
        f"This model has {classes} classes, and this comparison needs at least {FEWEST} classes."
        if classes < FEWEST
        else f"The inspectors have results for too few of the model's {classes:,} classes."
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
            f"According to the inspector {finding['inspector']}, {what} {out} (p = {finding['anomaly']:.2g}, assuming that all classes of a clean model need equally large changes).",
            "No reference models were given, so no false-alarm rate is promised. In a clean model, too, some classes need smaller changes than "
            "others, so clean models are sometimes called suspicious. To get a promised false-alarm rate, give clean models like this one with --references.",
        ]
    count, p = references["count"], finding["p_value"]
    as_far = round(p * (count + 1)) - 1
    further = (
        f"None of the {count:,} clean reference models stands out as far as this model"
        if as_far == 0
        else f"{as_far:,} of {count:,} clean reference models {'stands' if as_far == 1 else 'stand'} out as far as this model"
    )
    return [
        f"{further} (p = {p:.2g}). The model stands out most in {what}, according to the inspector {finding['inspector']}.",
        f"Of clean models like the references (the same kind of data, network and training), at most {references['fpr']:.1%} are called suspicious or worse, on average.",
    ]


def _worked(facts: InspectionFacts, finding: Mapping[str, Any], *, what: str = "trigger") -> list[str]:
    """How often the found trigger works on images that no search has used.

    If there is no sign of a backdoor, `what` is "smallest change", and the sentences do not speak of a trigger.
    """
    success = facts.success
    if success is None:
        return []
    names, noun = facts.model["class_names"], what.split()[-1]
    return [
        f"The {what} that was found was put on {success['n']:,} clean {_start(finding, names)} that no search had used. With this {noun}, the label changed to "
        f"{_end(finding, names)} on {success['hits']:,} of these images: {success['value']:.1%} (95% interval: {success['lower']:.1%} to {success['upper']:.1%}).",
        *_smaller(finding, noun),
    ]


def _smaller(finding: Mapping[str, Any], what: str) -> list[str]:
    if finding["smaller"] is None:
        return []
    times = finding["smaller"]
    how = (
        f"{times:.1f} times smaller than"
        if times >= 1.05
        else "about as large as"
        if times > 1 / 1.05
        else f"{1 / times:.1f} times larger than"
    )
    return [f"This {what} is {how} the one that the same search finds in the clean references, on average."]
