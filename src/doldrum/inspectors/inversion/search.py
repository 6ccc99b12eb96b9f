"""`search` finds the smallest trigger of a form for each route.

The search treats all routes at once, and spends most steps on the promising routes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from doldrum.inspectors.contract.route import Route
from doldrum.inspectors.inversion.effort import Effort
from doldrum.inspectors.inversion.form import Form, Parts
from doldrum.training.lean import lean

__all__ = ["Found", "search"]

GOAL = 0.95
"""The share of a route's images that a trigger has to change.

The search looks for the smallest trigger that changes at least this share.
"""
_FEWEST = 2  # images of a route, below which there is nothing to search on
_FIRM = 1.06  # how fast the weight of the size grows and falls
_KEEP = 0.85  # of the running share of images moved
_SCREENING = 0.3  # its share of the work, for progress


@dataclass(frozen=True)
class Found:
    """The found trigger of one route: its `size`, and the share `success` of the search images that it changes."""

    route: Route
    size: float
    success: float
    parts: Parts


def search(
    module: torch.nn.Module,
    images: NDArray[np.float32],
    labels: NDArray[np.int16],
    form: Form,
    routes: tuple[Route, ...],
    *,
    seed: int,
    effort: Effort,
    advance: Callable[[float], None] = lambda share: None,
) -> list[Found]:
    """Find, for each route that is searched to the end, the smallest trigger of a given form.

    For each route r, Adam minimises loss_r(f(T(x))) + w_r size(T) over batches, where f is the model, T is the trigger
    and w_r is a weight. The weight w_r grows while T changes at least 95% of the images, and falls while T changes
    fewer than 90%. This rule for the weight is from Neural Cleanse, but is applied at every step. The loss is -log p of
    the target class. For a route without a target, the loss is -log(1 - p) of the image's own label. If there are more
    routes than `effort` allows, all routes get a few steps, and the search continues with the routes of the smallest
    loss. The idea to continue only with the best routes comes from multi-armed bandits (K-Arm, arXiv 2102.05123).

    Parameters
    ----------
    module : images (B, C, H, W) -> scores (B, K), differentiable
    images, labels : (N, C, H, W) in [0, 1], and the model's labels for them
    routes : the routes to search; a route with fewer than 2 images to change is left out
    advance : a function for progress, called with the share of the work that was done since its last call

    Sources: Wang et al. 2019, "Neural Cleanse", IEEE S&P, section IV; Shen et al. 2021, arXiv 2102.05123.
    """
    pools = {r: np.flatnonzero(r.starts(labels)) for r in routes}
    routes = tuple(r for r in routes if len(pools[r]) >= _FEWEST)
    if not routes:
        return []
    run = _Run(module, torch.from_numpy(images), torch.from_numpy(labels.astype(np.int64)), form, routes, pools, seed)
    first = effort.screening if len(routes) > effort.together else 0
    for _ in range(first):
        run.step(effort.screening_batch)
        advance(_SCREENING / first)
    if first:
        run.keep(torch.argsort(run.loss, stable=True)[: effort.together].sort().values)
    for _ in range(effort.steps):
        run.step(effort.batch)
        advance((1 - _SCREENING * bool(first)) / effort.steps)
    return run.found()


class _Run:
    """The state of a search: tensors with one row per route."""

    def __init__(
        self,
        module: torch.nn.Module,
        images: torch.Tensor,
        labels: torch.Tensor,
        form: Form,
        routes: tuple[Route, ...],
        pools: dict[Route, NDArray[np.int64]],
        seed: int,
    ) -> None:
        self.module, self.images, self.labels, self.form = module, images, labels, form
        self.routes, self.pools = routes, [torch.from_numpy(pools[r]) for r in routes]
        self.shape: tuple[int, int, int] = tuple(images.shape[1:])  # type: ignore[assignment]
        self.chance = torch.Generator().manual_seed(seed)
        self.parts = [p.requires_grad_() for p in form.start(len(routes), self.shape, self.chance)]
        self.adam = lean(torch.optim.Adam)(self.parts, lr=form.rate, betas=(0.5, 0.9))
        with torch.no_grad():
            first = form.size(self.parts, self.shape)
        self.unit = 1 / first.clamp(min=1e-3)  # sizes have another scale for each form
        self.weight = 0.1 * self.unit
        self.moved, self.loss = torch.zeros(len(routes)), torch.zeros(len(routes))
        self.best = torch.full((len(routes),), torch.inf)
        self.best_parts = [p.detach().clone() for p in self.parts]
        self.mean_parts = [
            p.detach().clone() for p in self.parts
        ]  # what the running share of images moved is of, about
        self._aim()

    def _aim(self) -> None:
        self.to = torch.tensor([r.target is not None for r in self.routes])
        self.target = torch.tensor([-1 if r.target is None else r.target for r in self.routes])

    def keep(self, which: torch.Tensor) -> None:
        """Continue the search with only these routes."""
        self.routes = tuple(self.routes[i] for i in which.tolist())
        self.pools = [self.pools[i] for i in which.tolist()]
        state = self.adam.state_dict()["state"]
        self.parts = [p.detach()[which].clone().requires_grad_() for p in self.parts]
        self.adam = lean(torch.optim.Adam)(self.parts, lr=self.form.rate, betas=(0.5, 0.9))
        for part, number in zip(self.parts, sorted(state), strict=True):
            one = state[number]
            self.adam.state[part] = {k: (v[which].clone() if v.ndim else v.clone()) for k, v in one.items()}
        for name in ("unit", "weight", "moved", "loss", "best"):
            setattr(self, name, getattr(self, name)[which])
        self.best_parts = [p[which] for p in self.best_parts]
        self.mean_parts = [p[which] for p in self.mean_parts]
        self._aim()

    def step(self, batch: int) -> None:
        picks = torch.stack([p[torch.randint(len(p), (batch,), generator=self.chance)] for p in self.pools])
        own = self.labels[picks]
        target = torch.where(self.to[:, None], self.target[:, None], own)
        scores = self.module(self.form.apply(self.parts, self.images[picks]).reshape(-1, *self.shape)).float()
        scores = scores.reshape(*picks.shape, -1)
        log_p = F.log_softmax(scores, -1).gather(-1, target[..., None])[..., 0]
        away = -torch.log1p(-log_p.exp().clamp(max=1 - 1e-6))
        loss = torch.where(self.to[:, None], -log_p, away).mean(1)
        size = self.form.size(self.parts, self.shape)
        self.adam.zero_grad()
        (loss + self.weight * size).sum().backward()  # pyright: ignore[reportUnknownMemberType]
        with torch.no_grad():
            hit = (scores.argmax(-1) == target) == self.to[:, None]
            self.moved = _KEEP * self.moved + (1 - _KEEP) * hit.float().mean(1)
            self.loss = _KEEP * self.loss + (1 - _KEEP) * loss.detach()
            for mean, part in zip(self.mean_parts, self.parts, strict=True):
                mean.mul_(_KEEP).add_(part, alpha=1 - _KEEP)
            mean_size = self.form.size(self.mean_parts, self.shape)
            better = (self.moved >= GOAL) & (mean_size < self.best)
            self.best = torch.where(better, mean_size, self.best)
            for kept, mean in zip(self.best_parts, self.mean_parts, strict=True):
                kept[better] = mean[better]
            up, down = self.moved >= GOAL, self.moved < GOAL - 0.05
            self.weight = self.weight * torch.where(up, _FIRM, torch.where(down, 1 / _FIRM, 1.0))
            self.weight = torch.minimum(torch.maximum(self.weight, 1e-4 * self.unit), 1e3 * self.unit)
        self.adam.step()

    @torch.no_grad()
    def found(self) -> list[Found]:
        """One trigger per route: the smallest trigger that changed enough images. If no trigger changed enough images,
        the result is the last trigger of the search.

        `success` is the share of images that the trigger changes, measured on up to 100 images of its route.
        """
        out: list[Found] = []
        for i, route in enumerate(self.routes):
            source = self.best_parts if torch.isfinite(self.best[i]) else self.parts
            parts = [p[i : i + 1].detach().clone() for p in source]
            pool = self.pools[i][:100]
            after = self.module(self.form.apply(parts, self.images[pool][None])[0]).argmax(-1)
            moved = route.moved(self.labels[pool].numpy(), after.numpy())
            out.append(Found(route, float(self.form.size(parts, self.shape)), float(moved.mean()), parts))
        return out
