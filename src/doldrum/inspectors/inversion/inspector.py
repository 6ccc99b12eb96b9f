"""`Inversion`: the inspectors that search for a trigger. There is one inspector per form of trigger."""

from __future__ import annotations

import math
from typing import ClassVar

import numpy as np

from doldrum.inspectors.contract.hooks import Inspector, routes_to
from doldrum.inspectors.contract.reading import Reading
from doldrum.inspectors.contract.route import Route, all_routes
from doldrum.inspectors.contract.subject import Subject
from doldrum.lazy import extras

with extras():
    from doldrum.inspectors.inversion.additive import AnyFrequency, LowFrequency
    from doldrum.inspectors.inversion.blend import Blend
    from doldrum.inspectors.inversion.effort import effort_for
    from doldrum.inspectors.inversion.form import Form
    from doldrum.inspectors.inversion.mask import Mask
    from doldrum.inspectors.inversion.search import GOAL, search
    from doldrum.inspectors.inversion.warp import Warp

__all__ = [
    "AdditiveInversion",
    "BlendInversion",
    "Inversion",
    "LowFrequencyInversion",
    "MaskInversion",
    "WarpInversion",
]

_HALF = 0.5  # of the images that it has to move: what moves fewer is no trigger, however small
_SHORT = 5.0  # what it costs a route whose trigger moves too few images, for each such share


class Inversion(Inspector):
    """A route's value is -log of the size of the smallest trigger that was found (`search`) and that changes 95% of the
    images.

    In a backdoored model, the route of the backdoor needs a far smaller trigger than the same route in a clean model.
    If the found trigger changes only a share s < .95 of the images, 5 (.95 - s) is subtracted from the value. If no
    found trigger changes half of the images, the route has no value.
    """

    form: ClassVar[Form]
    needs = "gradients"
    sizes = True

    def examine(self, subject: Subject) -> Reading:
        assert subject.module is not None
        routes = self.routes(subject.num_classes)
        found = search(
            subject.module, subject.search, subject.labels, self.form, routes,
            seed=int(subject.rng(self.name).integers(2**62)), effort=effort_for(subject.module, subject.classifier.input_shape), advance=lambda share: subject.advance(self.weight * share),
        )  # fmt: skip
        values = dict.fromkeys(routes, math.nan)
        shape = subject.classifier.input_shape
        triggers = {}
        for one in found:
            if not np.isfinite(one.size) or one.success < _HALF:
                continue
            values[one.route] = -math.log(max(one.size, 1e-6)) - _SHORT * max(0.0, GOAL - one.success)
            triggers[one.route] = self.form.trigger(one.parts, shape)
        return Reading(self.name, values, triggers=triggers)

    def routes(self, num_classes: int) -> tuple[Route, ...]:
        """The routes that are searched: from all other classes to each class."""
        return routes_to(num_classes)


class MaskInversion(Inversion):
    """The trigger search of Neural Cleanse.

    The method's published rule is :func:`doldrum.inspectors.judging.anomaly.anomaly_index`.
    """

    form = Mask()
    name, title = form.name, form.title
    paper = "Wang et al. 2019, Neural Cleanse, IEEE S&P"

    def routes(self, num_classes: int) -> tuple[Route, ...]:
        """All routes are searched, also the routes from each class to any other class.

        Most triggers that lead images to different classes, or that work only on one source class, are patches. So the
        search for patches covers all routes.
        """
        return all_routes(num_classes)


class AdditiveInversion(Inversion):
    form = AnyFrequency()
    name, title = form.name, form.title
    paper = "Moosavi-Dezfooli et al. 2017, arXiv 1610.08401"


class LowFrequencyInversion(Inversion):
    form = LowFrequency()
    name, title = form.name, form.title
    paper = "Zeng et al. 2021, arXiv 2104.03413"


class BlendInversion(Inversion):
    form = Blend()
    name, title = form.name, form.title
    paper = "Chen et al. 2017, arXiv 1712.05526"


class WarpInversion(Inversion):
    form = Warp()
    name, title = form.name, form.title
    paper = "Nguyen & Tran 2021, arXiv 2102.10369"
