"""Outside of the confined processes: what inspectors find in reference models, each looked at once and kept beside the models."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import doldrum
from doldrum.confined.facts import whole
from doldrum.data import is_dataset
from doldrum.errors import ClassifierError, DoldrumError, InputError, SandboxError
from doldrum.files import write_text_whole
from doldrum.inspecting.facts import checked_examination
from doldrum.inspecting.settings import InspectSettings
from doldrum.intake import visible
from doldrum.locks import locked
from doldrum.opening.endpoint import PREFIX
from doldrum.opening.files import digest_of, readable
from doldrum.opening.settings import ModelSettings
from doldrum.progress import progress_bar
from doldrum.references import EXAMINED, reference_settings
from doldrum.sandbox import Limits, memory_share, run_confined
from doldrum.spread import results
from doldrum.stats.conformal import needed_size, smallest_fpr_text

__all__ = ["Shelf", "check_count"]

_TOLD = 5  # broken references that are named
_OWN = ("model", "labels", "num_classes")  # what is the model's own, and not asked of references


def check_count(settings: InspectSettings) -> None:
    """Raise InputError, before any work, where there are too few references for the rate that is to be promised, or files that are equal."""
    if settings.references is None:
        return
    models = _models(settings)
    count, needed = len(models), needed_size(settings.fpr)
    if count < needed:
        raise InputError(
            f"expected at least {needed} reference models in references= to promise fpr={settings.fpr:g}, got {count} in "
            f"{visible(settings.references)}; add {needed - count} (doldrum references --count {needed} trains them), ask for "
            f"fpr={smallest_fpr_text(count)}, or leave references= out and get no promised rate"
        )
    _check_apart(settings, models)


def _check_apart(settings: InspectSettings, models: list[ModelSettings]) -> None:
    """Raise InputError for a reference whose file is that of the model or of another reference; names the files."""
    known = {} if settings.remote else {digest_of(Path(settings.model)): "the model itself"}
    for model in models:
        name = visible(model.path.name)
        other = known.setdefault(digest_of(model.path), name)
        if other != name:
            raise InputError(
                f"expected reference models that differ, got {name}, which is {other}; take one of them out"
            )


def _models(settings: InspectSettings) -> list[ModelSettings]:
    """How the references are opened: as the model is, unless `doldrum references` made them."""
    assert settings.references is not None
    given = {
        field.name: getattr(settings, field.name)
        for field in fields(ModelSettings)
        if field.name not in _OWN and not field.name.startswith(PREFIX)
    }
    return reference_settings(settings.references, **given)[0]


@dataclass(frozen=True)
class _Examiner:
    """Examines one reference in a confined process: its name and what was found, as text to keep; sent to workers."""

    place: Path
    sent: dict[str, Any]
    seed: int
    memory: float
    hours: float

    def __call__(self, model: ModelSettings) -> tuple[str, str]:
        work = self.place / f"{model.path.name}.work"
        work.mkdir(parents=True, exist_ok=True)  # on another machine of a cluster too
        settings = {**self.sent, **model.to_dict(), "labels": None, "budget": None}
        limits = Limits(
            memory=memory_share(int(self.memory * (1 << 30))),
            seconds=self.hours * 3600,
            write=[str(work)],
            read=None if model.trust_code else [*readable(model), self.sent["clean"]],
        )
        digest = digest_of(model.path)
        asked = {"settings": settings, "work": str(work.resolve()), "seed": self.seed}
        name = visible(model.path.name)
        try:
            found = run_confined("doldrum.inspecting.work:examine_reference", asked, limits=limits)
            made = _whole_examination(found["examination"], self.sent["inspectors"])
            shape = [int(side) for side in found["input_shape"]]
        except (InputError, ClassifierError, SandboxError) as error:
            error.args = (f"reference model {name}: {error}",)
            raise
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError) as error:
            raise SandboxError(
                f"expected the examination of reference model {name} from the confined process, got something else: {visible(str(error))}",
                reason="nonsense",
            ) from error
        shutil.rmtree(work, ignore_errors=True)
        return model.path.name, json.dumps({"model_sha256": digest, "input_shape": shape, "examination": made})


@dataclass(frozen=True)
class Shelf:
    """Where the examinations of references by one set of clean images, seed and inspectors are kept.

    That is EXAMINED/KEY beside the models, or in `out` where nothing can be written there.
    """

    settings: InspectSettings
    place: Path
    models: tuple[ModelSettings, ...]

    @classmethod
    def of(cls, settings: InspectSettings) -> Shelf:
        assert settings.references is not None
        key, models = _key(settings), tuple(_models(settings))
        place = Path(settings.references).resolve() / EXAMINED / key
        try:
            place.mkdir(parents=True, exist_ok=True)
            write_text_whole(place / ".writable", "")
            (place / ".writable").unlink(missing_ok=True)  # another inspection may be at the same
        except OSError:
            if not all(_kept(place, one, settings.inspectors) for one in models):
                place = Path(settings.out).resolve() / EXAMINED / key
                place.mkdir(parents=True, exist_ok=True)
        return cls(settings, place, models)

    @property
    def missing(self) -> list[ModelSettings]:
        """The references that are not examined yet, or were replaced since."""
        return [one for one in self.models if self._kept(one) is None]

    def _kept(self, model: ModelSettings) -> dict[str, Any] | None:
        return _kept(self.place, model, self.settings.inspectors)

    def described(self, *, progress: bool) -> list[dict[str, Any]]:
        """{name, input_shape, num_classes, fingerprint} of every reference: those that are not examined yet are opened, in one confined process.

        Raises InputError, with all names, where some can't be opened.
        """
        # Read once: another inspection may add to what is kept meanwhile
        kept = [self._kept(one) for one in self.models]
        missing = [one for one, known in zip(self.models, kept, strict=True) if known is None]
        made = iter(_opened(missing, self.settings, progress=progress))
        found = [next(made) if known is None else _of_kept(known) for known in kept]
        return [{"name": visible(one.path.name), **facts} for one, facts in zip(self.models, found, strict=True)]

    def examine(self, sent: dict[str, Any], *, progress: bool, say: Callable[[str], None]) -> None:
        """Examine those that are missing: one after another here, or several at once in workers.

        Where another inspection examines them, waits for it and uses what it found.
        """
        if not self.missing:
            return

        def busy() -> None:
            say("another inspection examines these reference models; waiting for it, to use what it finds")

        with locked(self.place, wait=True, busy=busy):
            todo = self.missing
            if not todo:
                return
            say(
                f"examining {len(todo):,} of {len(self.models):,} reference models; what is found is kept in {self.place}, for other inspections too"
            )
            examiner = _Examiner(self.place, sent, self.settings.seed or 0, self.settings.memory, self.settings.hours)
            with progress_bar("examining reference models", len(todo), show=progress) as advance:
                count = self.settings.workers
                count = count and min(count, len(todo))
                found = results(examiner, todo, workers=count, ray=self.settings.ray, in_order=False, one_core=True)
                for name, text in found:
                    write_text_whole(self.place / f"{name}.json", text)
                    advance(1)

    def examinations(self) -> list[dict[str, Any]]:
        """{name, input_shape, examination} of every reference, in order of their names."""
        found: list[dict[str, Any]] = []
        for one in self.models:
            kept = self._kept(one)
            if kept is None:
                raise InputError(
                    f"expected reference models that stay as they are, got {visible(one.path.name)} changed; run the same command again"
                )
            found.append(
                {"name": visible(one.path.name), "input_shape": kept["input_shape"], "examination": kept["examination"]}
            )
        return found


def _of_kept(kept: dict[str, Any]) -> dict[str, Any]:
    made = kept["examination"]
    return {"input_shape": kept["input_shape"], "num_classes": made["num_classes"], "fingerprint": made["fingerprint"]}


def _opened(models: list[ModelSettings], settings: InspectSettings, *, progress: bool) -> list[dict[str, Any]]:
    """{input_shape, num_classes, fingerprint} of each of the models; InputError where some can't be opened, SandboxError with the name of the one that ended the process."""
    names = [visible(one.path.name) for one in models]
    limits = Limits(
        memory=int(settings.memory * (1 << 30)),
        seconds=settings.hours * 3600,
        read=None if settings.trust_code else [path for one in models for path in readable(one)],
    )
    asked = {"models": [one.to_dict() for one in models]}
    at = [0]
    with progress_bar("opening reference models", len(models), show=progress) as advance:

        def hear(message: Any) -> None:
            number = message.get("opening") if isinstance(message, dict) else None
            if type(number) is int and 0 <= number < len(models):
                at[0] = number
                advance(1)

        try:
            found = run_confined("doldrum.inspecting.work:describe_references", asked, limits=limits, on_message=hear)
            broken = [
                f"{name} ({visible(str(one['why']), most=300)})"
                for name, one in zip(names, found, strict=True)
                if "why" in one
            ]
            facts = [
                {
                    "input_shape": [whole(side) for side in one["input_shape"]],
                    "num_classes": whole(one["num_classes"], least=2),
                    "fingerprint": visible(str(one["fingerprint"]), most=300),
                }
                for one in found if "why" not in one
            ]  # fmt: skip
        except SandboxError as error:
            error.args = (f"reference model {names[at[0]]}: {error}",)
            raise
        except DoldrumError:
            raise
        except (KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
            raise SandboxError(
                f"expected facts about reference models from the confined process, got something else: {visible(str(error))}",
                reason="nonsense",
            ) from error
    if broken:
        more = f" and {len(broken) - _TOLD:,} more" if len(broken) > _TOLD else ""
        raise InputError(
            f"expected reference models that can be opened, got {len(broken):,} of {len(models):,} that can't: {', '.join(broken[:_TOLD])}{more}; take them out"
        )
    return facts


def _whole_examination(found: dict[str, Any], inspectors: Sequence[str] | None) -> dict[str, Any]:
    """`checked_examination`; ValueError too unless its readings are those of the inspectors asked for, and one of them says something."""
    from doldrum.inspectors.kinds import DEFAULT

    made = checked_examination(found)
    names, asked = [one["inspector"] for one in made["readings"]], list(inspectors or DEFAULT)
    if names != asked:
        raise ValueError(f"readings of {names} instead of {asked}")
    if not any(one["values"] for one in made["readings"]):
        raise ValueError("readings without a value")
    return made


def _kept(place: Path, model: ModelSettings, inspectors: Sequence[str] | None) -> dict[str, Any] | None:
    """What was found in a reference; None where it wasn't looked at, or is another now, and for what no examination leaves."""
    try:
        found = json.loads((place / f"{model.path.name}.json").read_text(encoding="utf-8"))
        if found["model_sha256"] != digest_of(model.path):
            return None
        return {
            "input_shape": [int(s) for s in found["input_shape"]],
            "examination": _whole_examination(found["examination"], inspectors),
        }
    except (OSError, KeyError, IndexError, TypeError, ValueError, AttributeError, RecursionError):
        return None


def _key(settings: InspectSettings) -> str:
    """What an examination depends on beside the model: clean images, seed, inspectors and their code, preprocessing."""
    clean = settings.clean if is_dataset(settings.clean) else digest_of(Path(settings.clean).resolve())
    preprocessing = {name: value for name, value in settings.preprocessing.items() if name not in _OWN}
    told = [doldrum.__version__, clean, settings.seed, settings.inspectors, preprocessing, settings.resize]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    code = Path(__file__).resolve().parents[1] / "inspectors"
    for path in sorted(code.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
