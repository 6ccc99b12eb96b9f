"""The orthonormal cosine transform (DCT-II) as a matrix."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["cosines"]


@lru_cache(maxsize=4)
def cosines(size: int) -> NDArray[np.float32]:
    """The matrix M (size, size) of the cosine transform. M @ images @ M.T gives the cosine coefficients of square
    images (..., size, size).

    M is a float32 array. Row k of M is the cosine with frequency k.

    >>> bool(np.allclose(cosines(5) @ cosines(5).T, np.eye(5), atol=1e-6))
    True
    """
    k, i = np.arange(size)[:, None], np.arange(size)
    made = np.sqrt(2 / size) * np.cos(np.pi * (i + 0.5) * k / size)
    made[0] /= np.sqrt(2)
    made.setflags(write=False)
    return made.astype(np.float32)
