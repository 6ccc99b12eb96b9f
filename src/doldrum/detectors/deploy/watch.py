"""Watch: tests whether the promised false-positive rate still holds in a stream of images, and whether drift or an
attack is the reason if not."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from doldrum.checks import is_kind, is_number, is_object
from doldrum.detectors.contract.calibration import Calibration
from doldrum.detectors.contract.result import ScanResult
from doldrum.errors import InputError
from doldrum.stats.conformal import num_allowed
from doldrum.stats.martingale import MOST_SCORES, ConformalMartingale, even_cells, spike_bets, tilt_bets

__all__ = ["Kind", "Watch", "WatchVerdict"]

FORMAT, VERSION = "doldrum watch", 1
Kind = Literal["as calibrated", "drift", "attack", "open"]
_BODY = 0.1  # ranks above this share (or above fpr) are the body: an attack that isn't flagged shows little there
_BINS = 10  # of the body
_TOGETHER = 256  # answers of which the bets are made together
_SETTLE = 500  # images, from where the flags began to rise, that show whether the body has moved
_MORE = "more images are flagged than the promised rate allows"
_WORDS: dict[Kind, str] = {
    "as calibrated": "the images are like the calibration images, as far as the watch can tell",
    "drift": "the images are no longer like the calibration images, so the promised rate no longer holds: calibrate again on clean images "
    "like these",
    "attack": f"{_MORE}, and the images that are not flagged are like the calibration images: an attack is likely; look at the flagged images",
    "open": f"{_MORE}; too few images have arrived since to tell an attack from images of another kind: look at the flagged images",
}


@dataclass(frozen=True)
class WatchVerdict:
    """The verdict of a Watch at one point of a stream of inputs.

    Parameters
    ----------
    kind : str
        - "as calibrated": the images are like the calibration inputs, as far as the watch can tell
        - "drift": the images are no longer like the calibration inputs; calibrate again
        - "attack": more inputs are flagged than the promised rate allows, and the other inputs are like the calibration
          inputs: an attack is likely
        - "open": more inputs are flagged than the promised rate allows; too few inputs have arrived since to tell drift
          from an attack
    words : one sentence for the user that says what to do
    images, flagged : the number of inputs so far, and how many of them were flagged
    drift_at, drift_since : the number of the input at which drift became certain, and about the number at which drift
        began; None without drift
    flags_at, flags_since : the number of the input at which an excess of flags became certain, and about the number at
        which the excess began; None without an excess
    alpha : the largest probability, chosen beforehand, of a false alarm on clean images like the calibration inputs
    """

    kind: Kind
    words: str
    images: int
    flagged: int
    drift_at: int | None
    drift_since: int | None
    flags_at: int | None
    flags_since: int | None
    alpha: float

    def to_dict(self) -> dict[str, Any]:
        """The verdict as a dict that JSON can hold."""
        return asdict(self)


class Watch:
    """Tests p-values as they arrive, and says when the promised rate no longer holds. The probability of a false alarm
    is at most `alpha`, however often you read the verdict.

    A Watch uses two conformal test martingales (:mod:`doldrum.stats.martingale`), which are independent on clean
    images. An input's rank is the number of calibration inputs that are at least as suspicious as the input.

    - The test *drift* checks whether the ranks of inputs that are not suspicious have moved. All inputs count as not
      suspicious except the most suspicious 10% (or the share `fpr`, if it is larger). A trigger hardly moves the ranks
      of inputs that are not suspicious. A new camera, a different crop or different light moves the ranks of all
      inputs.
    - The test *flags* checks whether more inputs are flagged than the detector promises.

    Each test uses half of `alpha`. Inputs for which the model's scores are NaN or infinite (label -1) are counted but
    not tested. With class-conditional calibration, each class has its own ranks. Inputs of a class without calibration
    inputs are counted but not tested.

    Parameters
    ----------
    calibration : Calibration
        The calibration of the detector: `detector.calibration`.
    alpha : float in (0, 1)
        The largest probability of a false alarm, that is, of any verdict but "as calibrated" on a stream of clean
        inputs. The clean inputs must be exchangeable with the calibration inputs. This probability is taken over random
        calibration sets and random streams.

    Raises InputError for an alpha outside (0, 1). A watch keeps a few hundred numbers in memory, per class if
    calibration is class-conditional.

    >>> from doldrum.detectors import Calibration
    >>> rng = np.random.default_rng(0)
    >>> watch = Watch(Calibration(rng.random(999), rng.random(999), fpr=0.01, seed=0))
    >>> watch.update(rng.integers(1, 1001, 2000) / 1000).kind
    'as calibrated'
    >>> watch.update(rng.integers(300, 1001, 300) / 1000).kind, watch.verdict.drift_since > 1900
    ('drift', True)
    >>> Watch.restored(watch.calibration, watch.state()).verdict == watch.verdict
    True
    """

    def __init__(self, calibration: Calibration, *, alpha: float = 0.01) -> None:
        if not is_kind(calibration, Calibration):
            raise InputError(f"expected a detector's calibration, got {calibration!r}; pass detector.calibration")
        if not is_number(alpha) or not 0 < alpha < 1:
            raise InputError(f"expected an alpha in (0, 1), got {alpha!r}; pass 0.01 for 1%")
        self.calibration, self.alpha = calibration, float(alpha)
        self._images = self._flagged = 0
        self._waiting: list[tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]] = []
        groups = calibration.groups
        if groups is None:
            self._names, self._sizes = np.zeros(1, np.int64), np.array([len(calibration)])
        else:
            self._names, self._sizes = np.unique(groups[groups >= 0], return_counts=True)
        allowed = np.array([num_allowed(int(n), calibration.fpr) for n in self._sizes])
        self._body_from = np.maximum(allowed, np.floor(_BODY * (self._sizes + 1)).astype(np.int64))
        body = np.stack([even_cells(int(n) + 1 - z, _BINS) for n, z in zip(self._sizes, self._body_from, strict=True)])
        flags = np.stack([_flag_cells(int(n), int(k)) for n, k in zip(self._sizes, allowed, strict=True)])
        self._body_ends, self._flag_ends = np.cumsum(body, axis=1), np.cumsum(flags, axis=1)
        self._drift = ConformalMartingale(body, np.stack([tilt_bets(c) for c in body]), limit=2 / alpha)
        self._flags = ConformalMartingale(flags, np.stack([spike_bets(c) for c in flags]), limit=2 / alpha)

    def update(self, result: ScanResult | ArrayLike, *, labels: ArrayLike | None = None) -> WatchVerdict:
        """Add the next inputs of the stream, in their order, and return the present verdict. The verdict does not
        depend on how the stream is split into calls.

        `result` is the detector's ScanResult of these inputs, or their p-values (m,). If you pass p-values and
        calibration is class-conditional, pass `labels` (m,) too.

        Raises InputError for p-values that are impossible with the watch's calibration.
        """
        self.see(result, labels=labels)
        return self.verdict

    def see(self, result: ScanResult | ArrayLike, *, labels: ArrayLike | None = None) -> None:
        """Add the next inputs like `update`, but return no verdict. The tests are updated only for many inputs at once,
        or when the verdict or the state is needed. For a Guard that answers one image at a time, `see` takes a tenth of
        the time of `update`."""
        if isinstance(result, ScanResult):
            result, labels = result.p_values, result.labels
        p, at, groups = self._taken(result, labels)
        above = p[at] * (self._sizes[groups] + 1)  # the calibration inputs at least as suspicious, and itself
        ranks = np.rint(above).astype(np.int64) - 1
        if (ranks < 0).any() or (np.abs(above - ranks - 1) > 1e-6).any():
            raise InputError(
                "expected p-values of this watch's calibration, got p-values of another calibration; make the Watch from the calibration of the same detector"
            )
        self._waiting.append((ranks, groups, self._images + 1 + at))
        self._images += len(p)
        self._flagged += int(self.calibration.flags(p).sum())
        if len(self._waiting) >= _TOGETHER:
            self._bet()

    def _bet(self) -> None:
        """Update both tests with the inputs that are waiting."""
        if not self._waiting:
            return
        ranks, groups, numbers = (np.concatenate(parts) for parts in zip(*self._waiting, strict=True))
        self._waiting = []
        self._flags.update(_bins(ranks, self._flag_ends[groups]), groups, places=numbers)
        deep = ranks - self._body_from[groups]
        body = deep >= 0
        of = groups[body]
        self._drift.update(_bins(deep[body], self._body_ends[of]), of, places=numbers[body])

    def _taken(
        self, p_values: ArrayLike, labels: ArrayLike | None
    ) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
        """Return all p-values, the indices of the p-values to test, and for each tested p-value the index of its group
        (class)."""
        p = np.atleast_1d(np.asarray(p_values, dtype=float))
        if p.ndim != 1 or not ((p > 0) & (p <= 1)).all():
            raise InputError(
                "expected p-values (m,) in (0, 1], got another shape, or values outside of it; pass result.p_values"
            )
        grouped = self.calibration.groups is not None
        if labels is None:
            if grouped:
                raise InputError(
                    "expected labels together with p-values of class-conditional calibration, got none; pass the ScanResult"
                )
            return p, np.arange(len(p)), np.zeros(len(p), np.int64)
        of = np.asarray(labels, dtype=np.int64)
        if of.shape != p.shape:
            raise InputError(f"expected {len(p)} labels, got an array of shape {of.shape}; pass one label per p-value")
        if not grouped:
            at = np.flatnonzero(of >= 0)
            return p, at, np.zeros(len(at), np.int64)
        at = np.flatnonzero(np.isin(of, self._names))
        return p, at, np.searchsorted(self._names, of[at])

    @property
    def verdict(self) -> WatchVerdict:
        """The present verdict. A verdict that has become certain does not change any more. Begin a new Watch after
        calibrating again."""
        self._bet()
        drift, flags = self._drift, self._flags
        # Drift that shows only long after the flags rose may be the attack itself: it is no longer what raised them.
        told = max(flags.alarm, flags.since + _SETTLE)
        if drift.alarm and (not flags.alarm or drift.alarm <= told):
            kind: Kind = "drift"
        elif not flags.alarm:
            kind = "as calibrated"
        else:
            kind = "open" if self._images < told else "attack"
        return WatchVerdict(
            kind=kind,
            words=_WORDS[kind],
            images=self._images,
            flagged=self._flagged,
            drift_at=drift.alarm or None,
            drift_since=drift.since + 1 if drift.alarm else None,
            flags_at=flags.alarm or None,
            flags_since=flags.since + 1 if flags.alarm else None,
            alpha=self.alpha,
        )

    def state(self) -> dict[str, Any]:
        """The state of the watch, as values that JSON can hold. Save it to continue with :meth:`restored` after a
        restart."""
        self._bet()
        return {
            "format": FORMAT,
            "version": VERSION,
            "calibration": _identity(self.calibration),
            "alpha": self.alpha,
            "images": self._images,
            "flagged": self._flagged,
            "drift": self._drift.state(),
            "flags": self._flags.state(),
        }

    @classmethod
    def restored(cls, calibration: Calibration, state: Any) -> Self:
        """Make a Watch with this state. Raises InputError if `state` is not the state of a Watch, or if it belongs to
        another calibration."""
        version = state.get("version") if is_object(state) else None
        if not is_object(state) or state.get("format") != FORMAT or type(version) is not int or version != VERSION:
            raise InputError(f"expected the state of a watch, version {VERSION}, got something else; begin a new Watch")
        if state.get("calibration") != _identity(calibration):
            raise InputError(
                "expected the state of a watch with this calibration, got the state of a watch with another calibration; begin a new Watch"
            )
        made = cls(calibration, alpha=state.get("alpha", 0))
        images, flagged = state.get("images"), state.get("flagged")
        if type(images) is not int or type(flagged) is not int or not 0 <= flagged <= images <= MOST_SCORES:
            raise InputError(
                "expected counts 0 <= flagged <= images in the state of a watch, got counts out of this range; begin a new Watch"
            )
        made._images, made._flagged = images, flagged
        made._drift.restore(state.get("drift"), last=images)
        made._flags.restore(state.get("flags"), last=images)
        return made


def _flag_cells(n: int, allowed: int) -> NDArray[np.int64]:
    """Return how many ranks each bin of the test *flags* holds. The first bins hold the flagged ranks, with the most
    suspicious ranks first. The upper end of each bin of flagged ranks is about the upper end of the bin before it,
    times a fixed factor. The last bin holds all other ranks."""
    ends = np.maximum(1, np.rint(allowed ** (np.arange(4) / 3))).astype(np.int64)
    return np.diff(np.concatenate([[0], ends, [n + 1]]))


def _bins(places: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of each rank's bin. `places` (m,) holds the ranks, and `ends` (m, B) holds the upper ends of
    the bins."""
    return (places[:, None] >= ends).sum(axis=1)


def _identity(calibration: Calibration) -> str:
    digest = hashlib.sha256(repr(calibration.fpr).encode())
    for array in (calibration.scores, calibration.ties, calibration.groups):
        digest.update(b"" if array is None else np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
