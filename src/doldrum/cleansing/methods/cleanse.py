"""`cleanse` runs cleansing methods on a training set, with the model that was trained on it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from doldrum.classifiers.base import Classifier
from doldrum.cleansing.methods import profile, ranking
from doldrum.cleansing.methods.base import Verdict, checked_rate
from doldrum.cleansing.methods.by_class import by_class
from doldrum.data import Images, ImageSet, as_image_set, as_labelled
from doldrum.detectors.profile.ranking import ROUNDS, rank
from doldrum.errors import ClassifierError, InputError
from doldrum.measuring.inputs import wanted_by
from doldrum.progress import progress_bar
from doldrum.tables import html_table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["METHODS", "Cleansing", "cleanse"]

METHODS = ("profile", "spectral", "clustering")


@dataclass(frozen=True, eq=False)
class Cleansing:
    """The results of the cleansing methods for a training set of N samples.

    Parameters
    ----------
    ids : N strings
    labels : int64 array (N,)
        The labels in the training set.
    predicted : int16 array (N,), or None
        The labels that the model predicts, or None if the profile was not run. A label is -1 if the model's scores were
        NaN or infinite.
    verdicts : mapping of method to Verdict
    refused : mapping of method to the reason why the method cannot use the model
    """

    ids: Sequence[str]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int16] | None
    verdicts: Mapping[str, Verdict]
    refused: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    def _repr_html_(self) -> str:
        """An HTML table for notebooks: how many samples each method drops."""
        return html_table(
            f"Cleansing of {len(self):,} samples",
            {"more flags than expected at the promised rate": self.suspicious if self.promised else None},
            columns=["method", "samples to drop", "not run because"],
            rows=[
                *([name, f"{one.num_dropped:,}", None] for name, one in self.verdicts.items()),
                *([name, None, why] for name, why in self.refused.items()),
            ],
        )

    @property
    def promised(self) -> bool:
        """Whether the method *profile* was run with a promised false-positive rate."""
        return "more_than_promised" in (self.verdicts["profile"].details if "profile" in self.verdicts else {})

    @property
    def suspicious(self) -> bool:
        """Whether the profile flagged more samples than expected at the promised false-positive rate.

        True if the number of flags is above its 95% limit, or if Benjamini-Hochberg at an FDR of 10% finds any samples.
        False if no false-positive rate is promised.
        """
        details = self.verdicts["profile"].details if self.promised else {}
        return bool(details.get("more_than_promised") or details.get("discoveries"))

    def drop(self, method: str = "profile") -> NDArray[np.bool_]:
        """Whether `method` would drop each sample (N,). Raises InputError, with the reason, if the method was not
        run."""
        if method not in self.verdicts:
            why = self.refused.get(
                method, f"it was not run; choose one of the methods that were run: {', '.join(self.verdicts)}"
            )
            raise InputError(f"expected a method that was run, got {method!r}: {why}")
        return self.verdicts[method].drop

    def to_frame(self) -> pd.DataFrame:
        """One row per sample: row, id, label, predicted, METHOD_score, METHOD_drop and profile_p_value."""
        import pandas as pd

        found: dict[str, Any] = {
            "row": np.arange(len(self)), "id": pd.array(list(self.ids), dtype="string"), "label": self.labels,
        }  # fmt: skip
        if self.predicted is not None:
            found["predicted"] = self.predicted
        for method, verdict in self.verdicts.items():
            found[f"{method}_score"] = verdict.scores
            if "p_values" in verdict.details:
                found[f"{method}_p_value"] = verdict.details["p_values"]
            found[f"{method}_drop"] = verdict.drop
        return pd.DataFrame(found)


def cleanse(
    classifier: Classifier,
    data: Images,
    *,
    clean: Images | None = None,
    methods: Sequence[str] = METHODS,
    fpr: float = 0.05,
    rate: float = 0.05,
    seed: int | None = None,
    progress: bool = True,
) -> Cleansing:
    """Find samples of a training set that look poisoned, with the model that was trained on it.

    - *profile* (doldrum's own method) needs only predicted labels. With `clean` images, this method drops the samples
      that it flags at the promised rate `fpr`. On average, at most a share `fpr` of the clean samples is dropped, if
      the model treats clean samples like the images in `clean`. Training samples differ a little from clean images,
      because the model was trained on them. The page docs/results/cleansing shows how the difference between training
      samples and clean images changes the false-positive rate. Without `clean`, this method drops the 1.5 x `rate` x N
      samples that differ most from all other samples over four rounds of draws. No rate is promised without `clean`.
      Each round of draws, taken alone, would drop a list of samples. The verdict's `details` give the number of dropped
      samples that are on the lists of all rounds.
    - *spectral* drops 1.5 x `rate` x n of the n samples of each label: those with the largest spectral signatures. The
      method *spectral* needs a torch module.
    - *clustering* divides the activations of each label into two clusters. The smaller cluster is dropped if it is
      small and well separated. The method *clustering* needs a torch module.

    Parameters
    ----------
    data
        The training set, with the labels that the model was trained on: an ImageSet, or a source of (image, label) pairs or rows,
        such as a torch Dataset (:func:`doldrum.data.read_stream`).
    clean
        At least 500 clean images that the model was not trained on, or training samples that somebody has checked.
    rate
        The largest expected share of poisoned samples. The ranking by *profile* applies this share to the whole
        training set, and *spectral* applies this share to each class.
    seed
        The seed of the profile's draws. By default the seed is new and secret. An attacker who knows the draws could
        choose poison that the draws miss.

        Returns a Cleansing. If a method cannot use the model, the result's `refused` holds the reason.

    Raises InputError, before any work starts, for data without labels, images of another shape than the model's,
    unknown methods, or too few clean images. Raises ClassifierError if no requested method can use the model.

    >>> from doldrum.classifiers import as_classifier
    >>> import torch
    >>> net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(4, 2)).eval()
    >>> x = np.random.default_rng(0).random((40, 1, 2, 2)).astype(np.float32)
    >>> found = cleanse(as_classifier(net, input_shape=(1, 2, 2), num_classes=2), ImageSet(x, labels=np.arange(40) % 2),
    ...     methods=["spectral"])
    >>> int(found.drop("spectral").sum())
    4
    """
    if isinstance(classifier, Classifier):
        data = as_labelled(data, shape=classifier.input_shape, what="a training set")
        clean = None if clean is None else as_image_set(clean, **wanted_by(classifier))
    wanted = _checked(classifier, data, clean, methods, fpr)
    rate = checked_rate(rate)
    assert data.labels is not None
    verdicts: dict[str, Verdict] = {}
    refused: dict[str, str] = {}
    predicted = None
    others = [m for m in METHODS if m in wanted and m != "profile"]
    if others:
        try:
            verdicts |= by_class(classifier, data, others, rate=rate)
        except ClassifierError as error:
            if "profile" not in wanted:
                raise
            refused = dict.fromkeys(others, str(error))
    if "profile" in wanted:
        rounds = ROUNDS if clean is None else 1
        with progress_bar("profiles", rounds * len(data), show=progress) as advance:
            if clean is None:
                predicted, found = rank(classifier, data, seed=seed, on_batch=advance)
                verdicts["profile"] = ranking.verdict_of(found, rate=rate)
            else:
                detector = profile.fitted_on_clean(classifier, *profile.split_clean(clean), fpr=fpr, seed=seed)
                detector.on_batch = advance
                predicted, scores = detector.scored(data)
                verdicts["profile"] = profile.against_clean(detector, data, predicted, scores)
    ordered = {m: verdicts[m] for m in METHODS if m in verdicts}
    return Cleansing(data.ids, data.labels, predicted, ordered, refused)


def _checked(
    classifier: Classifier, data: ImageSet, clean: ImageSet | None, methods: Sequence[str], fpr: float
) -> list[str]:
    """The requested methods. Raises InputError if an argument cannot be used."""
    if not isinstance(classifier, Classifier):
        raise InputError(f"expected a Classifier, got {type(classifier).__name__}; use dd.as_classifier first")
    if data.labels is None:
        raise InputError("expected a training set with labels, got none; a folder needs one folder per class")
    for what, images in (("training samples", data), ("clean images", clean)):
        if images is not None and images.input_shape != classifier.input_shape:
            raise InputError(
                f"expected {what} of shape {classifier.input_shape}, as the model takes, got {images.input_shape}; pass images like those that it was trained on"
            )
    highest = int(data.labels.max())
    if highest >= classifier.num_classes:
        raise InputError(
            f"expected labels below {classifier.num_classes}, the model's classes, got {highest}; is this training set for another model?"
        )
    wanted = [methods] if isinstance(methods, str) else list(methods)
    unknown = [m for m in wanted if m not in METHODS]
    if unknown or not wanted:
        raise InputError(f"expected methods among {', '.join(METHODS)}, got {unknown or 'none'}; pick some")
    if "profile" in wanted:
        profile.check_enough(data, clean, fpr)
    return wanted
