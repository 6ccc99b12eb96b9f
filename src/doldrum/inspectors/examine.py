"""examine: the readings of every inspector for one model."""

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
    """The readings of one model: numbers, and the triggers that were found.

    `key` says what they depend on beside the model: clean images, seed and inspectors. Two examinations can be compared only where it is equal.
    """

    fingerprint: str
    num_classes: int
    key: str
    readings: tuple[Reading, ...]

    def to_dict(self) -> dict[str, Any]:
        """JSON-able, without triggers."""
        return {
            "fingerprint": self.fingerprint,
            "num_classes": self.num_classes,
            "key": self.key,
            "readings": [one.to_dict() for one in self.readings],
        }

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Examination:
        """What `to_dict` wrote; InputError for anything else."""
        try:
            readings = tuple(Reading.from_dict(v) for v in values["readings"])
            return cls(str(values["fingerprint"]), int(values["num_classes"]), str(values["key"]), readings)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"expected an examination, got {error!r}; examine the model again") from error


def inspectors_of(names: Sequence[str | Inspector] | None) -> list[Inspector]:
    """Inspectors by name, or as they are; by default those of the verdict. InputError for an unknown one."""
    if names is not None and (is_kind(names, str) or not is_kind(names, Sequence)):
        got = (
            f"{names!r}; write [{names!r}]"
            if is_kind(names, str)
            else f"{type(names).__name__}; pass a list such as ['mask']"
        )
        raise InputError(f"expected inspectors= as a list of names, got {got}")
    out: list[Inspector] = []
    for name in DEFAULT if names is None else names:
        if is_kind(name, Inspector):
            out.append(name)  # type: ignore[arg-type]
        elif is_kind(name, str) and name in INSPECTORS:
            out.append(INSPECTORS[name]())  # type: ignore[index]
        else:
            raise InputError(f"expected inspectors among {', '.join(INSPECTORS)}, got {name!r}; pick some")
    if not out:
        raise InputError("expected at least one inspector, got none; leave inspectors out for the usual ones")
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
    """Look at a model with every inspector that it can serve; the others are in the result too, with the reason.

    Parameters
    ----------
    classifier : Classifier
        From `dd.as_classifier`, `dd.train`, `dd.load_checkpoint`.
    clean : images
        At least 20 that carry no trigger, of several classes; labels are not needed. 200 or more work well. Half are searched on.
    inspectors : names or Inspectors, optional
        By default those of the verdict, `kinds.DEFAULT`.
    seed : int
        Of all that is drawn. References have to be examined with the same one, on the same images.

    read : function
        How an inspector is asked: one that keeps what it was told lets an examination that was cut off go on.

    Raises InputError for too few images or images of another shape, and ClassifierError for a model that gives one answer to all or none that is
    valid.
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
    """With its differentiable module, where it has one."""
    module, why = None, ""
    try:
        from doldrum.gradients import differentiable

        module = differentiable(classifier, search[:8])
    except ClassifierError as error:
        why = str(error)
    return subject_of(classifier, search, seed, module=module, why_not=why, advance=advance)
