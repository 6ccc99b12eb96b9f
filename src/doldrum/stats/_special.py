"""SciPy's special functions with type annotations, which SciPy itself does not have."""

# pyright: reportMissingTypeStubs=false, reportUnknownVariableType=false, reportUnknownMemberType=false
from __future__ import annotations

from typing import Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

__all__ = [
    "betainc", "betaincinv", "betaln", "digamma", "entr", "gammaln", "logsumexp", "ndtri", "polygamma", "stdtr",
    "stdtrit", "wrightomega", "xlog1py", "xlogy",
]  # fmt: skip


class _Function(Protocol):
    """An elementwise function with NumPy's broadcasting. If all arguments are numbers, the result is a NumPy number."""

    def __call__(self, *values: ArrayLike) -> NDArray[np.float64]: ...


class _Sum(Protocol):
    def __call__(self, a: ArrayLike, *, axis: int, keepdims: bool = False) -> NDArray[np.float64]: ...


betainc: _Function = special.betainc
betaincinv: _Function = special.betaincinv
betaln: _Function = special.betaln
digamma: _Function = special.digamma
entr: _Function = special.entr
gammaln: _Function = special.gammaln
logsumexp: _Sum = cast("_Sum", special.logsumexp)
ndtri: _Function = special.ndtri
polygamma: _Function = cast("_Function", special.polygamma)
stdtr: _Function = special.stdtr
stdtrit: _Function = special.stdtrit
wrightomega: _Function = special.wrightomega
xlog1py: _Function = special.xlog1py
xlogy: _Function = special.xlogy
