"""Find out which output of a model has the scores or labels, and of what kind they are. The rules are the same for every model format."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from doldrum.classifiers.base import Outputs
from doldrum.errors import ClassifierError, InputError
from doldrum.intake import visible

__all__ = ["Chosen", "Output", "choose_output"]

Form = Literal["scores", "labels", "one"]
_NAMED = re.compile(
    r"(?!onnx::).*(logit|score|prob|pred|softmax|class)", re.IGNORECASE
)  # onnx::Softmax_20 is what a softmax takes


@dataclass(frozen=True)
class Output:
    """An output of a model.

    `numbers` is "float", "byte" (int8 or uint8, from quantised models), "integer" or "other". `dims` are the sizes of
    the output's axes, with the batch axis first; an open size is None. `made_by` is the last operator: "softmax",
    "sigmoid", "argmax" or "other". `feeds` are the names of later outputs. Output B is later than output A if B is
    computed from A. B is also later if it is computed from all values that A is computed from, and from more.
    """

    name: str
    numbers: str
    dims: tuple[int | None, ...]
    made_by: str = "other"
    feeds: frozenset[str] = field(default=frozenset())

    def form(self, batch: int | None) -> Form | None:
        """The form that the output can have: "scores" (one row per image), "labels" (one label per image), "one" (one
        number per image, for two classes), or None."""
        if not self.dims or self.numbers == "other":
            return None
        rest = self.dims[1:]
        if not rest and batch == 1 and self.numbers in ("float", "byte") and (self.dims[0] or 1) > 1:
            return "scores"  # (K,) of a model of one image
        wide = [d for d in rest if d != 1]
        if len(wide) == 1 and self.numbers in ("float", "byte"):
            return "scores"
        if wide:
            return None
        return "labels" if self.made_by == "argmax" or self.numbers != "float" else "one"

    @property
    def shown(self) -> str:
        """The output's name and shape, with control characters escaped."""
        sizes = ", ".join("N" if i == 0 else "?" if d is None else str(d) for i, d in enumerate(self.dims))
        return f"{visible(self.name, most=60)} ({sizes})"


@dataclass(frozen=True)
class Chosen:
    """The chosen output: its form, the kind of numbers that a Classifier reports (`outputs`), and notes for the user."""

    output: Output
    form: Form
    outputs: Outputs
    notes: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int | None:
        """The number of classes according to the output's shape; None if the shape does not show it, for example if the model returns labels."""
        if self.form != "scores":
            return 2 if self.form == "one" else None
        return next((d for d in (self.output.dims[1:] or self.output.dims) if d not in (1, None)), None)


def choose_output(
    found: Sequence[Output],
    *,
    name: str | None,
    outputs: Outputs | None,
    num_classes: int | None,
    batch: int | None,
    shown: str,
) -> Chosen:
    """Choose the output called `name`. Without a name, choose scores (N, K), or else labels (N,), or else one number per image (N, 1).

    If several outputs could be the scores, the one with `num_classes` classes is chosen. If `num_classes` does not
    decide between the outputs, an output with a typical name for scores is chosen, or else the output that is computed
    last, or else the first output. A note says which output was chosen. Raises InputError if no output has the name,
    and ClassifierError if no output can be scores or labels.
    """
    listed = ", ".join(o.shown for o in found[:6]) or "none"
    if name is not None and all(o.name != name for o in found):
        raise InputError(
            f"expected an output of {shown} (its outputs are {listed}), got '{visible(name, most=60)}'; name one of these outputs"
        )
    left: list[tuple[Output, Form]] = [
        (o, form) for o in found if name in (None, o.name) and (form := o.form(batch)) is not None
    ]
    if not left:
        raise ClassifierError(
            f"expected an output of scores of shape (images, classes) or labels of shape (images,), got {listed} in {shown}; it is not an image classifier"
        )
    output, form = left[0]
    if len(left) > 1:
        output, form = _best(left, num_classes)
    notes: list[str] = []
    if len(found) > 1:
        what = {"scores": "scores", "labels": "labels", "one": "score of two classes"}[form]
        how = "as output= says" if name is not None else "pass output= to choose another output"
        notes.append(f"the model has the outputs {listed}; the output {output.shown} was used as the {what} ({how})")
    if form == "labels" or (form == "one" and outputs == "labels"):
        return Chosen(output, "labels", "labels", tuple(notes))
    kind: Outputs = "probabilities" if output.made_by in ("softmax", "sigmoid") else "logits"
    if form == "scores":
        kind = outputs or ("probabilities" if output.made_by == "softmax" else "logits")
        return Chosen(output, form, kind, tuple(notes))
    kind = kind if outputs is None else outputs
    row = "[1 - p, p]" if kind == "probabilities" else "[0, z]"
    why = (
        "as outputs= says"
        if outputs is not None
        else "the last step of the model is a sigmoid"
        if kind == "probabilities"
        else "no sigmoid comes last"
    )
    what = "the probability p of the second class" if kind == "probabilities" else "the logit z of the second class"
    notes.append(
        f"the model gives one number per image; this number was used as {what} of two ({why}), which makes the scores {row}"
    )
    return Chosen(output, form, kind, tuple(notes))


def _best(left: list[tuple[Output, Form]], num_classes: int | None) -> tuple[Output, Form]:
    def rank(item: tuple[Output, Form]) -> int:
        output, form = item
        if form == "scores":
            return 0
        return 1 if output.made_by == "sigmoid" else 2 if form == "labels" else 3

    best = min(map(rank, left))
    left = [item for item in left if rank(item) == best]
    names = {o.name for o, _ in left}
    rules = (
        lambda o: num_classes is not None and num_classes in o.dims[1:],
        lambda o: _NAMED.match(o.name) is not None,
        lambda o: not o.feeds & names,
    )
    for rule in rules:
        left = [item for item in left if rule(item[0])] or left
    return left[0]
