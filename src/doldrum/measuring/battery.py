"""A battery: several probes of one input, whose rows (perturbed images) have one common numbering."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.probes import BoundProbe, ImageProbe, ModelProbe, Probe
from doldrum.probes.noise import NoiseBank, tensor_on

__all__ = ["Battery", "as_probes", "count_draws"]

Value = TypeVar("Value", bound=np.generic)


def as_probes(probe: Probe | Mapping[str, Probe]) -> dict[str, Probe]:
    """A dict of probes by name.

    A single probe gets the name of its kind, such as "gaussian". Raises InputError for values that are not probes.

    >>> from doldrum.probes import Gaussian
    >>> list(as_probes(Gaussian([0.1])))
    ['gaussian']
    """
    probes = dict(probe) if isinstance(probe, Mapping) else {getattr(probe, "family", ""): probe}
    for found in probes.values():
        if not isinstance(found, (ImageProbe, ModelProbe)):
            raise InputError(f"expected a probe, got {type(found).__name__}; e.g. dd.probes.Gaussian([0.1])")
    return probes


def count_draws(probes: Mapping[str, Probe]) -> int:
    """The number of draws of all probes at all their strengths."""
    return sum(len(p.strengths) * p.draws for p in probes.values())


class Battery:
    """Several probes that are prepared for one input shape.

    The rows of an input are numbered across all probes. Row 0 is the unperturbed image. After row 0 come the rows of
    the probes that perturb images, ordered by probe, condition (strength) and draw. The classifier itself labels the
    images in the first `image_rows` rows: in row 0, and in the rows of the probes that perturb images. The rows of
    probes that perturb the model come last. In row r of a probe that perturbs the model, a perturbed model labels the
    unperturbed image. `variants[r]` identifies the perturbed model, as (probe, condition, draw).

    >>> from doldrum.probes import Gaussian, Scale
    >>> battery = Battery({"noise": Gaussian([0.1, 0.2], draws=3), "scale": Scale([3, 5])}, (1, 1, 2))
    >>> battery.rows, battery.places
    (9, {'noise': slice(1, 7, None), 'scale': slice(7, 9, None)})
    """

    def __init__(self, probes: Mapping[str, Probe], input_shape: tuple[int, int, int]) -> None:
        self.probes = dict(probes)
        self.bound = {name: p.bind(input_shape) for name, p in self.probes.items() if isinstance(p, ImageProbe)}
        self._number({name: range(p.draws) for name, p in self.probes.items()})

    def part(self, draws: Mapping[str, range]) -> Battery:
        """A smaller battery: the unperturbed image, and some of the draws of some probes. All probes in `draws` must
        perturb images, not the model.

        `draws` maps the name of each included probe to a range of draw numbers. At each condition (strength), only the
        draws in this range are included.

        >>> from doldrum.probes import Gaussian
        >>> battery = Battery({"noise": Gaussian([0.1, 0.2], draws=3)}, (1, 1, 2))
        >>> battery.part({"noise": range(1, 3)}).rows
        5
        """
        unknown = [name for name in draws if name not in self.bound]
        if unknown:
            raise InputError(
                f"expected the name of a probe that perturbs images ({', '.join(self.bound)}), got {unknown[0]!r}; pick one of these names"
            )
        made = copy.copy(self)
        made.probes = {name: self.probes[name] for name in draws}
        made._number(dict(draws))
        return made

    def _number(self, draws: dict[str, range]) -> None:
        """Number the rows. `draws` says which draws of each condition are included."""
        self.draws = draws
        self.places: dict[str, slice] = {}
        self.variants: dict[int, tuple[ModelProbe, int, int]] = {}
        self._cuts: list[tuple[int, int, BoundProbe, int, int]] = []
        self.rows = 1
        for name, probe in self.probes.items():
            if isinstance(probe, ImageProbe):
                each = draws[name]
                for condition in range(len(probe.strengths)):
                    start = self.rows + condition * len(each)
                    self._cuts.append((start, start + len(each), self.bound[name], condition, each.start))
                self._place(name, probe)
        self.image_rows = self.rows
        for name, probe in self.probes.items():
            if isinstance(probe, ModelProbe):
                pairs = ((probe, *divmod(pair, probe.draws)) for pair in range(len(probe.strengths) * probe.draws))
                self.variants |= dict(enumerate(pairs, start=self.rows))
                self._place(name, probe)

    def _place(self, name: str, probe: Probe) -> None:
        start, self.rows = self.rows, self.rows + len(probe.strengths) * len(self.draws[name])
        self.places[name] = slice(start, self.rows)

    def fill(self, image: NDArray[np.float32], start: int, stop: int, out: NDArray[np.float32]) -> None:
        """Write the perturbed copies of `image` (C, H, W) in rows `start` to `stop` - 1 to `out` (stop - start, C, H,
        W).

        `stop` must be at most `image_rows`, because in rows from `image_rows` on, the model is perturbed and not the
        image.
        """
        if start == 0 < stop:
            out[0] = image
        for bound, condition, draws, rows in self._parts(start, stop):
            bound.fill(image, condition, draws.start, draws.stop, out[rows])

    def fill_on(self, images: NDArray[np.float32], start: int, stop: int, out: Any) -> None:
        """Write the rows of several images (N, C, H, W) to `out`, a float32 tensor (N, stop - start, C, H, W).

        The written values are the same as those of `fill`, bit for bit. Noise is added on the tensor's device. Rows of
        probes that are not noise are computed on the CPU and copied.
        """
        there = tensor_on(images, out.device)
        if start == 0 < stop:
            out[:, 0] = there
        for bound, condition, draws, rows in self._parts(start, stop):
            if isinstance(bound, NoiseBank):
                bound.fill_on(there, condition, draws.start, draws.stop, out[:, rows])
                continue
            made = np.empty((len(images), len(draws), *images.shape[1:]), dtype=np.float32)
            for image, block in zip(images, made, strict=True):
                bound.fill(image, condition, draws.start, draws.stop, block)
            out[:, rows] = tensor_on(made, out.device)

    def _parts(self, start: int, stop: int) -> Iterator[tuple[BoundProbe, int, range, slice]]:
        """Yield the perturbed rows from `start` to `stop` - 1 as (probe, condition, draws, rows), where `rows` is
        counted from `start`."""
        for first, last, bound, condition, draw in self._cuts:
            a, b = max(start, first), min(stop, last)
            if a < b:
                yield bound, condition, range(draw + a - first, draw + b - first), slice(a - start, b - start)

    def split(self, name: str, values: NDArray[Value]) -> NDArray[Value]:
        """Select the values of one probe from the values of all rows (N, rows), and return them as (N, C, n)."""
        probe = self.probes[name]
        return values[:, self.places[name]].reshape(len(values), len(probe.strengths), len(self.draws[name]))
