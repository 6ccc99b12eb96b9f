"""Adap-Blend and Adap-Patch: training images get weak pieces of the trigger, and test images get the whole trigger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from doldrum.errors import InputError
from doldrum.seeds import rng
from doldrum.triggers.base import Images, Trigger
from doldrum.triggers.blended import blend, check_pattern, check_share, pattern_for
from doldrum.triggers.patch import CORNERS, corner_slices

__all__ = ["AdaptiveBlend", "AdaptivePatch"]


@dataclass(frozen=True, eq=False)
class AdaptiveBlend(Trigger):
    """The trigger of Adap-Blend: at test time, a pattern is blended with the image with weight `alpha`, as in Blended.

    In training, the weight is `training_alpha`, and only random pieces of the pattern are used.

    The image is divided into `pieces` x `pieces` pieces. Each poisoned sample and each cover sample gets the pattern in
    pieces chosen at random. The share of pieces that get the pattern is `1 - masked`, rounded to whole pieces.
    `pattern` has the same meaning as in Blended. The strength is `alpha`.

    Source: Qi et al. 2023, "Revisiting the assumption of latent separability for backdoor defenses", ICLR, section 4.
    There are 16 pieces, of which half are masked, and alpha is .15 in training and .2 at test. Cover samples keep their
    labels.

    Raises InputError for shares outside [0, 1], for `pieces` outside 1 to 256, and for patterns or images that Blended
    refuses. In training, images with fewer than `pieces` pixels on a side also cause an InputError.

    >>> AdaptiveBlend().in_training(np.zeros((2, 1, 8, 8), dtype=np.float32), seed=0, rows=[0, 1]).shape
    (2, 1, 8, 8)
    """

    name: ClassVar[str] = "adaptive-blend"
    strength_setting: ClassVar[str | None] = "alpha"
    alpha: float = 0.2
    training_alpha: float = 0.15
    pieces: int = 4
    masked: float = 0.5
    pattern: NDArray[np.float32] | None = None
    pattern_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in ("alpha", "training_alpha", "masked"):
            check_share(name, getattr(self, name))
        if not 1 <= self.pieces <= 256:
            raise InputError(f"expected 1 to 256 pieces per side, got {self.pieces}; the paper uses 4")
        check_pattern(self)

    def apply(self, images: Images) -> Images:
        pattern = pattern_for(images.shape[1:], pattern=self.pattern, seed=self.pattern_seed)
        return blend(images, pattern, self.alpha)

    def apply_in_training(self, images: Images, *, seed: int, rows: NDArray[np.int64]) -> Images:
        pattern = pattern_for(images.shape[1:], pattern=self.pattern, seed=self.pattern_seed)
        for i, row in enumerate(rows):
            alpha = self.training_alpha * self.mask(images.shape[2:], seed=seed, row=int(row))
            images[i] = blend(images[i], pattern, alpha)
        return images

    def mask(self, shape: tuple[int, ...], *, seed: int, row: int) -> Images:
        """The mask (H, W) for a training sample: 1 for pixels that get the pattern, and 0 for all other pixels."""
        if min(shape) < self.pieces:
            raise InputError(
                f"expected images of at least {self.pieces} pixels a side, got images of {shape}; lower pieces"
            )
        total = self.pieces**2
        shown = total - round(self.masked * total)
        grid = np.zeros(total, dtype=np.float32)
        grid[rng(seed, self.name, row).permutation(total)[:shown]] = 1
        which = [np.arange(side) * self.pieces // side for side in shape]
        return grid.reshape(self.pieces, self.pieces)[np.ix_(*which)]


@dataclass(frozen=True, eq=False)
class AdaptivePatch(Trigger):
    """Four different patches, one in each corner. In training, each sample gets one of the patches, chosen at random.

    The patches are `size` pixels wide: all white, a checkerboard, a cross and a frame (white on black). The patches are
    blended with weight `opacity` at test and `training_opacity` in training, including cover samples. The strength is
    `opacity`.

    Source: Qi et al. 2023 (see AdaptiveBlend), with k = 4 small patches, one per training sample and several at test.
    The paper's patches are small pictures; the patches here are simple shapes. In the authors' code
    (Unispac/Circumventing-Backdoor-Defenses, config.py) the opacities in training are .5, .2, .5 and .3, and test
    images have two patches at full strength. Here all opacities in training are .5, and test images have all four
    patches.

    Raises InputError for a size below 3 or an opacity outside [0, 1], and for images that are too small for two patches
    per side.

    >>> out = AdaptivePatch(opacity=1)(np.full((1, 1, 8, 8), 0.5, dtype=np.float32))
    >>> int((out != 0.5).sum())
    36
    """

    name: ClassVar[str] = "adaptive-patch"
    strength_setting: ClassVar[str | None] = "opacity"
    size: int = 3
    opacity: float = 1.0
    training_opacity: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        check_share("opacity", self.opacity)
        check_share("training_opacity", self.training_opacity)
        if self.size < 3:
            raise InputError(f"expected a size of at least 3, got {self.size}; smaller patches look alike")

    def patches(self) -> list[Images]:
        """The four patches, each (size, size), in the order of CORNERS."""
        i, j = np.indices((self.size, self.size))
        last = self.size - 1
        edge = (i == 0) | (j == 0) | (i == last) | (j == last)
        shapes = [np.ones_like(edge), (i + j) % 2 == 0, (i == j) | (i + j == last), edge]
        return [shape.astype(np.float32) for shape in shapes]

    def apply(self, images: Images) -> Images:
        for which in range(len(CORNERS)):
            self._paste(images, which, self.opacity)
        return images

    def apply_in_training(self, images: Images, *, seed: int, rows: NDArray[np.int64]) -> Images:
        for i, row in enumerate(rows):
            which = int(rng(seed, self.name, int(row)).integers(len(CORNERS)))
            self._paste(images[i : i + 1], which, self.training_opacity)
        return images

    def _paste(self, images: Images, which: int, opacity: float) -> None:
        if min(images.shape[2:]) < 2 * self.size:
            raise InputError(f"expected images of {2 * self.size} pixels a side, got {images.shape[2:]}; lower size")
        place = corner_slices(images.shape[2:], size=self.size, corner=CORNERS[which], margin=0)
        images[:, :, *place] = blend(images[:, :, *place], self.patches()[which], opacity)
