"""Find the scores or labels in what a model returns. The rules below apply to every kind of model, and torch is not
imported.

- An array, a tensor, or plain lists of numbers are the scores themselves.
- In an object with a field `logits`, as Hugging Face models return, this field has the scores.
- In a dict, the scores are under `logits`. If there is no key `logits`, the scores are under the first of the keys
  `scores`, `probabilities`, `probs`, … whose array has a shape that fits. If no usual key (such as `scores`) has an
  array that fits, the scores are the dict's only array of shape (B, K).
- In a tuple or list of arrays, the scores are the only array of shape (B, K).

If the model is declared to return labels, the same rules apply to labels: the key is then `labels`, and the array has
the shape (B,). An output that none of these rules fits is refused, and the error message describes this output.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from doldrum.classifiers.base import Outputs
from doldrum.errors import ClassifierError

__all__ = ["Place", "answer_of", "find_answer", "shape_of", "take_answer"]

Place = tuple[str, Any]
"""The place of the scores or labels in a model's output: ("field", name), ("key", key) or ("item", number)."""

_PROBABILITIES = ("probabilities", "probs", "prob", "softmax")
_SCORES = (
    "logits",
    "scores",
    "score",
    *_PROBABILITIES,
    "outputs",
    "output",
    "out",
    "predictions",
    "preds",
    "pred",
    "y",
)
_LABELS = ("labels", "label", "predicted_labels", "classes", "predictions", "preds", "pred", "outputs", "output", "y")


def find_answer(
    returned: Any, *, rows: int, num_classes: int | None = None, outputs: Outputs = "logits"
) -> Place | None:
    """Find the place of the scores (or labels) for `rows` images in a model's output. The result is None if the whole
    output is the array of scores.

    If `num_classes` is None, scores for any number of classes are accepted. Raises ClassifierError unless exactly one
    part of the output has the shape of scores (or labels).

    >>> import numpy as np
    >>> find_answer((np.zeros((2, 64)), np.zeros((2, 10))), rows=2, num_classes=10)
    ('item', 1)
    """
    if shape_of(returned) is not None:
        return None
    labels = outputs == "labels"
    if not labels and getattr(returned, "logits", None) is not None:
        return "field", "logits"

    def fits(value: Any) -> bool:
        shape = shape_of(value)
        if shape is None or shape[:1] != (rows,):
            return False
        return len(shape) == 1 if labels else len(shape) == 2 and num_classes in (None, shape[1])

    if isinstance(returned, Mapping):
        parts = cast("Mapping[Any, Any]", returned)
        if not labels and parts.get("logits") is not None and outputs == "logits":
            return "key", "logits"
        names = _LABELS if labels else _SCORES if outputs == "logits" else (*_PROBABILITIES, *_SCORES)
        named = next((name for name in names if name in parts and fits(parts[name])), None)
        if named is not None:
            return "key", named
        found: list[Place] = [("key", key) for key, value in parts.items() if fits(value)]
    elif isinstance(returned, (tuple, list)) and _holds_arrays(cast("Sequence[Any]", returned)):
        found = [("item", i) for i, value in enumerate(cast("Sequence[Any]", returned)) if fits(value)]
    else:
        return None  # rows of plain numbers, or what `as_array` refuses by name
    if len(found) != 1:
        wanted = f"({rows},)" if labels else f"({rows}, {'K' if num_classes is None else num_classes})"
        raise ClassifierError(
            f"expected exactly one tensor of {outputs} with shape {wanted} in the model's output, got {_described(returned)}; return only this tensor, or wrap the model in a function that returns only this tensor"
        )
    return found[0]


def take_answer(returned: Any, place: Place | None) -> Any:
    """Take the scores (or labels) out of a model's output. `place` says where in the output the scores (or labels)
    are."""
    if place is None:
        return returned
    kind, name = place
    return getattr(returned, name) if kind == "field" else returned[name]


def answer_of(returned: Any, *, rows: int, num_classes: int | None = None, outputs: Outputs = "logits") -> Any:
    """Find the scores (or labels) in a model's output for `rows` images, and return them. This function has the
    arguments and errors of `find_answer`.

    >>> import numpy as np
    >>> answer_of({"loss": None, "probs": np.array([[0.2, 0.8]])}, rows=1).tolist()
    [[0.2, 0.8]]
    """
    return take_answer(returned, find_answer(returned, rows=rows, num_classes=num_classes, outputs=outputs))


def shape_of(value: Any) -> tuple[int, ...] | None:
    """The shape of an array or a tensor of any library; None for everything else."""
    shape = getattr(value, "shape", None)
    return tuple(int(n) for n in cast("Sequence[Any]", shape)) if isinstance(shape, (tuple, list)) else None


def _holds_arrays(values: Sequence[Any]) -> bool:
    """Whether a list holds several outputs of a model: at least one value is an array with two axes or more."""
    return any(len(shape_of(value) or ()) >= 2 for value in values)


def _described(returned: Any) -> str:
    def parts() -> Iterator[str]:
        if isinstance(returned, Mapping):
            for key, value in cast("Mapping[Any, Any]", returned).items():
                yield f"{key} {shape_of(value) or type(value).__name__}"
        else:
            for value in returned:
                yield str(shape_of(value) or type(value).__name__)

    return f"a {type(returned).__name__} of {', '.join(parts()) or 'nothing'}"
