"""`examine` runs inspectors on one model, and returns their readings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from doldrum.checks import is_kind, whole_number
from doldrum.classifiers.base import Classifier
from doldrum.data import Images, ImageSet, as_image_set
from doldrum.errors import ClassifierError, InputError
from doldrum.inspectors.contract.hooks import Inspector
from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.subject import Subject, halves, subject_of
from doldrum.inspectors.kinds import DEFAULT, INSPECTORS
from doldrum.measuring.checks import check_shape
from doldrum.measuring.inputs import wanted_by
from doldrum.progress import progress_bar

__all__ = ["Examination", "examine", "inspectors_of"]


@dataclass(frozen=True)
class Examination:
    """The readings (results) of all inspectors for one model: numbers, and the found triggers.

    `key` identifies the clean images, the seed and the inspectors. The readings depend only on the model, the clean
    images, the seed and the inspectors. Examinations of two models can be compared only if their keys are equal.
    """

    fingerprint: str
    num_classes: int
    key: str
    readings: tuple[Reading, ...]

    def to_dict(self) -> dict[str, Any]:
        """The examination as values that JSON can hold, without triggers."""
        return {
            "fingerprint": self.fingerprint,
            "num_classes": self.num_classes,
            "key": self.key,
            "readings": [one.to_dict() for one in self.readings],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Examination:
        """Make the Examination again from the values that `to_dict` wrote.

        Raises InputError if `values` does not have the form that `to_dict` writes.
        """
        try:
            readings = tuple(Reading.from_dict(v) for v in values["readings"])
            return cls(str(values["fingerprint"]), int(values["num_classes"]), str(values["key"]), readings)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"expected a saved examination, got values with the error {error!r}; examine the model again"
            ) from error


def inspectors_of(names: Sequence[str | Inspector] | None) -> list[Inspector]:
    """Make an Inspector object for each name in `names`. Inspector objects in `names` are returned unchanged.

    If `names` is None, the result has the inspectors in `kinds.DEFAULT`. Raises InputError for unknown names.
    """
    if names is not None and (is_kind(names, str) or not is_kind(names, Sequence)):
        got = (
            f"{names!r}; write [{names!r}]"
            if is_kind(names, str)
            else f"{type(names).__name__}; pass a list such as ['mask']"
        )
        raise InputError(f"expected inspectors= as a list of inspectors' names, got {got}")
    out: list[Inspector] = []
    for name in DEFAULT if names is None else names:
        if is_kind(name, Inspector):
            out.append(name)  # type: ignore[arg-type]
        elif is_kind(name, str) and name in INSPECTORS:
            out.append(INSPECTORS[name]())  # type: ignore[index]
        else:
            raise InputError(
                f"expected inspectors among {', '.join(INSPECTORS)}, got the name {name!r}; pick names from this list"
            )
    if not out:
        raise InputError("expected at least one inspector, got none; leave inspectors out for the default inspectors")
    return out


def examine(
    classifier: Classifier,
    clean: Images,
    *,
    inspectors: Sequence[str | Inspector] | None = None,
    seed: int = 0,
    progress: bool = True,
    read: Callable[[Inspector, Subject], Reading] = Inspector.read,
) -> Examination:
    """Run inspectors on a model. If an inspector cannot examine the model, its reading gives the reason.

    Parameters
    ----------
    classifier : Classifier
        The model, for example from `dd.as_classifier`, `dd.train` or `dd.load_checkpoint`.
    clean : images
        At least 20 images of several classes without a trigger; 200 or more work well. Labels are not needed. Half of
        the clean images are used for the search.
    inspectors : names or Inspectors, optional
        By default, the inspectors in `kinds.DEFAULT` are run.
    seed : int
        The seed of all random numbers. References must be examined with the same seed and the same images.

    read : function
        This function is called to run each inspector. A function that stores each reading makes it possible to continue
        an interrupted examination.

        Raises InputError if there are too few clean images, or if their shape is not the model's input shape. Raises
        ClassifierError for a model that gives no valid label, or the same label to all images.
    """
    if not is_kind(classifier, Classifier):
        raise InputError(f"expected a Classifier, got {type(classifier).__name__}; use dd.as_classifier first")
    chosen, seed = inspectors_of(inspectors), whole_number(seed, "seed=", least=0, hint="e.g. 0")
    images: ImageSet = as_image_set(clean, **wanted_by(classifier))
    check_shape(images.input_shape, classifier.input_shape)
    search = halves(images, seed).search
    work = sum(one.weight for one in chosen)
    with progress_bar("inspecting", round(100 * work), show=progress) as advance:
        done = [0.0, 0]

        def share(part: float) -> None:
            done[0] += part
            advance(round(100 * done[0]) - int(done[1]))
            done[1] = round(100 * done[0])

        subject = _subject(classifier, search, seed, share)
        readings = tuple(read(one, subject) for one in chosen)
    key = f"{images.content_hash()[:16]}-{seed}-{','.join(repr(one) for one in chosen)}"
    return Examination(classifier.fingerprint, classifier.num_classes, key, readings)


def _subject(classifier: Classifier, search: Any, seed: int, advance: Any) -> Subject:
    """Make a Subject of the model. If the model has gradients, the Subject holds a differentiable module."""
    module, why = None, ""
    try:
        from doldrum.gradients import differentiable

        module = differentiable(classifier, search[:8])
    except ClassifierError as error:
        why = str(error)
    return subject_of(classifier, search, seed, module=module, why_not=why, advance=advance)
