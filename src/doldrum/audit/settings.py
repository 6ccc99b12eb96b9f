"""AuditSettings: everything that decides an audit, checked before any work."""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from doldrum.audit.remote import RemoteSettings, is_address, shown_address
from doldrum.errors import InputError

__all__ = ["AuditSettings", "seconds_of"]

_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}
_OUTPUTS = ("logits", "probabilities", "labels")
_CHANNELS = ("rgb", "bgr", "grey")
_RESIZE = ("stretch", "crop")


@dataclass(frozen=True, kw_only=True)
class AuditSettings(RemoteSettings):
    """What `doldrum audit` was asked for.

    Parameters
    ----------
    model, images : str
        The suspects; what they may be, `doldrum.suspects.open_model` and `doldrum.intake.open_images` say.
    out : str
        A new or empty folder, or that of the same audit, cut off, which goes on.
    clean : str, optional
        Clean images, as they come, used for nothing else. Without them images are ranked, not flagged.
    fpr, fdr : float in (0, 1)
        The promised false-positive rate, and the share of clean images allowed in the set of discoveries.
    arch, outputs, num_classes : optional
        For model files that don't say them.
    mean, std, size, channels : optional
        The preprocessing that the model expects, where its files don't say it; mean and std in units of the [0, 1] pixel
        range, one a channel; size (height, width).
    resize : "stretch" or "crop"
        What becomes of images of another size.
    labels : str, optional
        A text file with the names of the classes, one a line, in the model's order.
    claimed_accuracy : float, optional
        What somebody says the model reaches on images like the clean ones, in [0, 1].
    budget : float, optional
        Seconds that an audit may take from the opening of the model on; the number of draws is fitted to it. Where it takes longer all the
        same, scanning ends with the batch in hand, and images not reached are listed as skipped. A run that goes on has it anew.
    trust_code, trust_pickle : bool
        Let the model run its own code, or be unpickled, in the confined process.
    seed : int, optional
        Of all draws; by default secret and fresh, and recorded afterwards.
    memory, hours : float
        Most GiB and hours that the confined process may take.
    endpoint_body, endpoint_batch, endpoint_timeout, endpoint_retries, endpoint_per_second, endpoint_queries, endpoint_token : optional
        How a model at an address is asked: :class:`doldrum.suspects.Endpoint`, whose `budget` is `endpoint_queries`, of one run.

    Raises InputError for anything of another kind or range, and for files that are not there.

    >>> AuditSettings(model="m.onnx", images="x", out="r", fpr=2.0)
    Traceback (most recent call last):
    doldrum.errors.InputError: expected --fpr between 0 and 1, got 2.0; e.g. 0.01
    """

    model: str
    images: str
    out: str
    clean: str | None = None
    fpr: float = 0.01
    fdr: float = 0.1
    arch: str | None = None
    outputs: str | None = None
    num_classes: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    channels: str | None = None
    resize: str = "stretch"
    labels: str | None = None
    claimed_accuracy: float | None = None
    budget: float | None = None
    trust_code: bool = False
    trust_pickle: bool = False
    seed: int | None = None
    memory: float = 6.0
    hours: float = 24.0

    def __post_init__(self) -> None:
        for name in ("fpr", "fdr"):
            if not 0 < getattr(self, name) < 1:
                raise InputError(f"expected --{name} between 0 and 1, got {getattr(self, name)}; e.g. 0.01")
        if self.claimed_accuracy is not None and not 0 <= self.claimed_accuracy <= 1:
            raise InputError(f"expected --claimed-accuracy in [0, 1], got {self.claimed_accuracy}; 0.93 for 93%")
        for name in ("memory", "hours", "budget"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise InputError(f"expected a positive --{name}, got {value}")
        for name, known in (("outputs", _OUTPUTS), ("channels", _CHANNELS), ("resize", _RESIZE)):
            value = getattr(self, name)
            if value is not None and value not in known:
                raise InputError(f"expected --{name} of {', '.join(known)}, got {value!r}; pick one")
        for name in ("mean", "std"):
            value = getattr(self, name)
            if value is None:
                continue
            if (
                len(value) not in (1, 3)
                or not all(math.isfinite(v) for v in value)
                or (name == "std" and min(value) <= 0)
            ):
                raise InputError(
                    f"expected --{name} as 1 or 3 numbers{', above 0' if name == 'std' else ''}, got {value}; one a channel"
                )
            object.__setattr__(self, name, tuple(float(v) for v in value))
        if self.size is not None:
            if len(self.size) != 2 or min(self.size) < 1:
                raise InputError(f"expected --size as height and width, got {self.size}; e.g. 224x224")
            object.__setattr__(self, "size", (int(self.size[0]), int(self.size[1])))
        if self.num_classes is not None and not 2 <= self.num_classes <= 32_767:
            raise InputError(f"expected --num-classes from 2 to 32,767, got {self.num_classes}")
        if self.seed is not None and not 0 <= self.seed < 1 << 63:
            raise InputError(f"expected a --seed from 0 to 2^63 - 1, got {self.seed}")
        for name in ("images", "clean", "labels"):
            value = getattr(self, name)
            if value is not None and not self.is_there(value):
                raise InputError(f"expected --{name} to be there, got {value}, which is not; check the path")
        if not self.remote and not Path(self.model).exists():
            raise InputError(f"expected a model file or folder, got {self.model}, which is not there; check the path")
        self.check(self.model)

    def is_there(self, path: str) -> bool:
        """Whether there are images, or a text, at `path`."""
        return Path(path).exists()

    @property
    def remote(self) -> bool:
        """Whether the model is asked over the network."""
        return is_address(self.model)

    @property
    def shown_model(self) -> str:
        """The model's path, or its address without what may be a secret in it."""
        return shown_address(self.model) if self.remote else self.model

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; paths absolute, for another process."""
        made: dict[str, Any] = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        for name in ("model", "images", "clean", "labels", "out"):
            if made[name] is not None and (name == "out" or Path(made[name]).exists()):
                made[name] = str(Path(made[name]).resolve())
        return made

    def command(self, seed: int) -> str:
        """The command that repeats this audit, with its seed.

        >>> AuditSettings(model=".", images=".", out="a b", mean=(0.5,)).command(7)
        "doldrum audit . --images . --out 'a b' --mean 0.5 --seed 7"
        """
        words = ["doldrum", "audit", self.shown_model]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("model", "seed") or value == field.default:
                continue
            words.append(f"--{field.name.replace('_', '-')}")
            if isinstance(value, tuple):
                words.append(("x" if field.name == "size" else ",").join(f"{v:g}" for v in value))
            elif value is not True:
                words.append(f"{value:g}" if isinstance(value, float) else str(value))
        return shlex.join([*words, "--seed", str(seed)])


def seconds_of(text: str) -> float:
    """Seconds in a duration such as 90, 90s, 5m or 1.5h.

    >>> seconds_of("5m"), seconds_of("90")
    (300.0, 90.0)
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not found or float(found[1]) <= 0:
        raise InputError(f"expected a duration such as 90s, 5m or 1.5h, got {text!r}")
    return float(found[1]) * _UNITS[found[2]]
