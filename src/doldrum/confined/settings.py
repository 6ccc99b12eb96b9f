"""JobSettings: what every job on somebody else's model is asked for, checked before any work."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, ClassVar, Literal

from doldrum.confined.endpoint import PREFIX, endpoint_of, is_address, kept_address, shown_address
from doldrum.errors import InputError

__all__ = ["JobSettings", "check_positive", "check_share"]

_CHOICES = {
    "outputs": ("logits", "probabilities", "labels"),
    "channels": ("rgb", "bgr", "grey"),
    "resize": ("stretch", "crop"),
}
# What may differ where a run goes on
_FREE = (
    "out",
    "memory",
    "hours",
    *(f"{PREFIX}{name}" for name in ("timeout", "retries", "per_second", "queries", "token")),
)


@dataclass(frozen=True, kw_only=True)
class JobSettings:
    """The model, how it is opened, where the job leaves what it finds, and what it may take.

    A job's own settings are a subclass, which names in SOURCES those of its fields that are paths of images.

    Parameters
    ----------
    model : str
        The suspect; what it may be, `doldrum.suspects.open_model` says.
    out : str
        A new or empty folder, or that of the same job, cut off, which goes on.
    arch, outputs, num_classes : optional
        For model files that don't say them.
    mean, std, size, channels : optional
        The preprocessing that the model expects, where its files don't say it; mean and std in units of the [0, 1] pixel
        range, one a channel; size (height, width).
    resize : "stretch" or "crop"
        What becomes of images of another size.
    labels : str, optional
        A text file with the names of the classes, one a line, in the model's order.
    trust_code, trust_pickle : bool
        Let the model run its own code, or be unpickled, in the confined process.
    seed : int, optional
        Of all draws; by default secret and fresh, and recorded afterwards.
    memory, hours : float
        Most GiB and hours that the confined process may take.
    endpoint_body, endpoint_batch, endpoint_timeout, endpoint_retries, endpoint_per_second, endpoint_queries, endpoint_token : optional
        How a model at an address is asked: :class:`doldrum.suspects.Endpoint`, whose `budget` is `endpoint_queries`, of one run.

    Raises InputError for anything of another kind or range, and for files that are not there.

    >>> JobSettings(model=".", out="new", endpoint_queries=5)
    Traceback (most recent call last):
    doldrum.errors.InputError: expected --endpoint-queries with a model at an address http(s)://..., got a file; leave it out
    """

    SOURCES: ClassVar[tuple[str, ...]] = ()

    model: str
    out: str
    arch: str | None = None
    outputs: str | None = None
    num_classes: int | None = None
    mean: tuple[float, ...] | None = None
    std: tuple[float, ...] | None = None
    size: tuple[int, int] | None = None
    channels: str | None = None
    resize: str = "stretch"
    labels: str | None = None
    trust_code: bool = False
    trust_pickle: bool = False
    seed: int | None = None
    memory: float = 6.0
    hours: float = 24.0
    endpoint_body: Literal["png", "npy"] = "png"
    endpoint_batch: int = 16
    endpoint_timeout: float = 30.0
    endpoint_retries: int = 4
    endpoint_per_second: float | None = None
    endpoint_queries: int | None = None  # `budget` there; an audit's --budget is its time
    endpoint_token: str | None = None

    def __post_init__(self) -> None:
        check_positive("memory", self.memory)
        check_positive("hours", self.hours)
        for name, known in _CHOICES.items():
            value = getattr(self, name)
            if value is not None and value not in known:
                raise InputError(f"expected --{name} of {', '.join(known)}, got {value!r}; pick one")
        self._check_preprocessing()
        if self.num_classes is not None and not 2 <= self.num_classes <= 32_767:
            raise InputError(f"expected --num-classes from 2 to 32,767, got {self.num_classes}")
        if self.seed is not None and not 0 <= self.seed < 1 << 63:
            raise InputError(f"expected a --seed from 0 to 2^63 - 1, got {self.seed}")
        for name in (*self.SOURCES, "labels"):
            value = getattr(self, name)
            if value is not None and not self.is_there(value):
                raise InputError(f"expected --{name} to be there, got {value}, which is not; check the path")
        if not self.remote and not Path(self.model).exists():
            raise InputError(f"expected a model file or folder, got {self.model}, which is not there; check the path")
        self._check_endpoint()

    def _check_preprocessing(self) -> None:
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

    def _check_endpoint(self) -> None:
        if self.remote:
            endpoint_of(vars(self))
            return
        for field in fields(self):
            if field.name.startswith(PREFIX) and getattr(self, field.name) != field.default:
                name = field.name.replace("_", "-")
                raise InputError(
                    f"expected --{name} with a model at an address http(s)://..., got a file; leave it out"
                )

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

    @property
    def sources(self) -> dict[str, str | None]:
        """The paths of images, by the setting's name."""
        return {name: getattr(self, name) for name in self.SOURCES}

    def to_dict(self) -> dict[str, Any]:
        """JSON-able; paths absolute, for another process."""
        made: dict[str, Any] = {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}
        for name in ("model", *self.SOURCES, "labels", "out"):
            if made[name] is not None and (name == "out" or Path(made[name]).exists()):
                made[name] = str(Path(made[name]).resolve())
        return made

    def lasting(self) -> dict[str, Any]:
        """What may not differ where a run goes on; JSON-able, and without what may be a secret in an address."""
        made = {name: value for name, value in self.to_dict().items() if name not in _FREE}
        return made | {"model": kept_address(self.model)} if self.remote else made


def check_share(name: str, value: float) -> None:
    """InputError unless the setting is above 0 and below 1."""
    if not 0 < value < 1:
        raise InputError(f"expected --{name} between 0 and 1, got {value}; e.g. 0.01")


def check_positive(name: str, value: float | None) -> None:
    """InputError unless the setting, where it is given, is above 0 and finite."""
    if value is not None and not 0 < value < math.inf:
        raise InputError(f"expected a positive --{name}, got {value}")
