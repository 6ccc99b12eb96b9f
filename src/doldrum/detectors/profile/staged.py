"""StagedProfile: the smoothness profile with few draws for most inputs, and with many for suspicious ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.checks import is_kind, is_number
from doldrum.classifiers.base import Classifier
from doldrum.data import ImageSet
from doldrum.detectors.contract.evidence import Evidence
from doldrum.detectors.profile import model
from doldrum.detectors.profile.families import OfFamilies
from doldrum.detectors.profile.profile import SmoothnessProfile
from doldrum.detectors.profile.surprise import Surprise
from doldrum.errors import InputError
from doldrum.probes import Gaussian, Probe, Warp, overlay_draws, with_settings

__all__ = ["StagedProfile"]

# The first stage: so many draws of each strength of these families, and so many overlays. Of the first stages of up to 20 forwards that
# were tried, it misses fewest triggered inputs: more kinds of changes of content leave too few overlays. The last stage: twice the draws of the profile.
_FIRST = {Gaussian.family: 1, Warp.family: 1}
_FIRST_OVERLAYS, _MORE = 7, 2


class StagedProfile(OfFamilies):
    """The smoothness profile in four stages. 13 forward passes are enough for most clean inputs. The others get 37, 66 or 130.

    The detector needs only labels, and as many clean inputs as `SmoothnessProfile`. After the first, second, third and
    fourth stage, an input has been measured with:

    1. one draw per strength of Gaussian noise and of warps, and seven overlays. If there are no families of noise or
       warps, one draw per strength of every family is used;
    2. half as many draws as a `SmoothnessProfile` makes;
    3. as many draws as a `SmoothnessProfile` makes;
    4. twice as many draws as a `SmoothnessProfile` makes.

    Each stage keeps the draws of the stage before, and adds new draws. Every stage has its own `SmoothnessProfile`,
    fitted on the draws that the clean inputs of `fit` have up to this stage. The profile's score is turned into a
    *surprise*: -log of the share of clean inputs that score at least as high as the input. So the scores of all stages
    have the same scale. (Each clean input of `fit` is scored with a model that was fitted without this input.) An input
    goes on to the next stage if its surprise is above -log(share), where share is the number in `go_on` for this stage.
    The score of an input is its surprise at the stage where it stops.

    After `fit`, the stage where an input stops depends only on the input's image. So the score is one fixed function of
    the image and is calibrated as a whole, and the promised rate holds as for any detector.

    Parameters
    ----------
    families, overlays, components, seed
        Settings with the same meaning as in `SmoothnessProfile`, which define the draws of the third stage.
    go_on : three numbers in (0, 1)
        The shares of clean inputs that go on to the second, third and fourth stage.

    Source: this project. The designs that were tried, and their results, are in docs/results/staged.md.

    Raises InputError as `SmoothnessProfile` does, and if `go_on` is not three numbers in (0, 1).
    """

    name = "staged-profile"
    paper = SmoothnessProfile.paper
    learned: ClassVar[tuple[str, ...]] = ("draws_", "labels_", "shares_", "reference_", "overlays_")

    def __init__(
        self,
        *,
        families: Mapping[str, Probe] | None = None,
        overlays: int | None = None,
        components: int = model.COMPONENTS,
        go_on: Sequence[float] = (0.15, 0.07, 0.03),
        seed: int | None = None,
    ) -> None:
        super().__init__(seed=seed)
        # Refuses what a profile can't take.
        full = SmoothnessProfile(families=families, overlays=overlays, components=components)
        fixed = [name for name, probe in (full.families or {}).items() if "draws" not in probe.to_dict()]
        if fixed:
            raise InputError(
                f"expected families with a variable number of draws, got {fixed[0]!r}, whose number of draws is fixed; leave out this family"
            )
        self.families, self.overlays, self.components = full.families, full.overlays, full.components
        shares = tuple(go_on) if is_kind(go_on, Sequence) else ()
        if len(shares) != 3 or not all(is_number(s) and 0 < s < 1 for s in shares):
            raise InputError(
                f"expected three shares in (0, 1), the shares of inputs that go on to the next stage, got {go_on!r}; e.g. (0.15, 0.07, 0.03)"
            )
        self.go_on = tuple(float(s) for s in shares)
        self.draws_: dict[str, NDArray[np.int16]] = {}
        self.labels_ = np.zeros(0, dtype=np.int16)
        self.shares_: tuple[NDArray[np.float64], ...] = ()
        self.reference_: tuple[NDArray[np.float64], ...] = ()
        self.overlays_: NDArray[Any] = np.zeros((0, 1, 1, 1), dtype=np.float32)
        self._ready: list[tuple[SmoothnessProfile, Surprise]] = []

    def stages(self) -> Sequence[Mapping[str, int]]:
        given = self._given()
        full = {name: probe.draws for name, probe in given.items()}
        known = {name: _FIRST[probe.family] for name, probe in given.items() if probe.family in _FIRST}
        first = {name: min(n, full[name]) for name, n in known.items()} or dict.fromkeys(full, 1)
        half = {name: max(first.get(name, 0), (n + 1) // 2) for name, n in full.items()}
        last, n = {name: _MORE * n for name, n in full.items()}, self._num_overlays
        if n:
            first["overlay"] = min(n, _FIRST_OVERLAYS)
            half |= overlay_draws(max(first["overlay"], (n + 1) // 2))
            full |= overlay_draws(n)
            last |= overlay_draws(_MORE * n)
        return first, half, full, last

    def probes(self) -> Mapping[str, Probe]:
        return self._profile(-1).probes()

    def prepare(self, classifier: Classifier, clean: ImageSet) -> None:
        last = self._profile(-1)
        last.prepare(classifier, clean)
        self.overlays_ = last.overlays_

    def learn(self, evidence: Evidence) -> None:
        self._ready = []
        made = [self._profile(stage) for stage in range(len(self.stages()))]
        for profile, upto in zip(made, self.stages(), strict=True):
            profile.learn(evidence.first_draws(upto))
        self.draws_, self.labels_ = made[-1].draws_, made[-1].labels_
        self.shares_, self.reference_ = tuple(p.shares_ for p in made), tuple(p.reference_ for p in made)

    def check_learned(self, input_shape: tuple[int, int, int], num_classes: int) -> None:
        self._ready = []
        count = len(self.stages())
        draws = self.draws_ if is_kind(self.draws_, dict) else {}
        whole = {n: np.shape(d)[2:] for n, d in draws.items()} == {n: (c,) for n, c in self.stages()[-1].items()}
        for arrays in (self.shares_, self.reference_):
            if not whole or not is_kind(arrays, tuple) or len(arrays) != count:
                raise InputError(
                    f"expected labels and learned arrays for {count} stages, got arrays for another number of stages; fit again"
                )
        for stage in reversed(range(count)):  # the last has all the draws
            made = self._profile(stage, draws)
            made.overlays_ = self.overlays_ if stage == count - 1 else made.overlays_
            made.check_learned(input_shape, num_classes)

    def score(self, evidence: Evidence) -> NDArray[np.float64]:
        """Return the scores (N,) of the inputs. The scores come from the profile of the stage that has as many draws as
        `evidence`."""
        if not self._ready:
            made = [self._profile(stage, self.draws_) for stage in range(len(self.stages()))]
            self._ready = [(profile, Surprise(profile.left_out()[:, None])) for profile in made]
        draws = {name: r.draws.shape[2] for name, r in evidence.responses.items()}
        profile, surprise = self._ready[list(self.stages()).index(draws)]
        found = profile.score(evidence)
        return np.where(np.isnan(found), np.nan, surprise(found[:, None])[:, 0])

    def goes_on(self, scores: NDArray[np.float64], stage: int) -> NDArray[np.bool_]:
        return scores > -np.log(self.go_on[stage])

    def _profile(self, stage: int, draws: Mapping[str, NDArray[np.int16]] | None = None) -> SmoothnessProfile:
        """The profile of a stage. If `draws`, the labels of perturbed clean inputs, are given, the returned profile is
        fitted."""
        upto = self.stages()[stage]
        given = self._given()
        families = {n: with_settings(p, draws=upto[n]) for n, p in given.items() if n in upto}
        made = SmoothnessProfile(families=families, overlays=upto.get("overlay", 0), components=self.components)
        made.restrict(upto)
        made.seed_, made.fitted_for = self.seed_, self.fitted_for
        made.overlays_ = self.overlays_[: upto.get("overlay", 0)]
        if draws is not None:
            made.draws_ = {n: np.ascontiguousarray(draws[n][:, :, :count]) for n, count in upto.items()}
            made.labels_, made.shares_, made.reference_ = self.labels_, self.shares_[stage], self.reference_[stage]
        return made
