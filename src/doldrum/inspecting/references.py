"""Runs inspectors on reference models. Each model is examined once, and the results are kept next to the models.

The code in this file runs outside of the confined processes.
"""

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
    """Raise InputError, before any work, if there are too few references for the promised rate, or equal files."""
    if settings.references is None:
        return
    models = _models(settings)
    count, needed = len(models), needed_size(settings.fpr)
    if count < needed:
        raise InputError(
            f"expected at least {needed} reference models in references= to promise fpr={settings.fpr:g}, got {count} models in the folder "
            f"{visible(settings.references)}; add {needed - count} (doldrum references --count {needed} trains them), ask for "
            f"fpr={smallest_fpr_text(count)}, or leave references= out and get no promised rate"
        )
    _check_apart(settings, models)


def _check_apart(settings: InspectSettings, models: list[ModelSettings]) -> None:
    """Raise InputError if a reference's file equals the model's file or another reference's file.

    The error names the two equal files.
    """
    known = {} if settings.remote else {digest_of(Path(settings.model)): "the model itself"}
    for model in models:
        name = visible(model.path.name)
        other = known.setdefault(digest_of(model.path), name)
        if other != name:
            raise InputError(
                f"expected reference models that differ, got {name}, which is equal to {other}; take one of the two out"
            )


def _models(settings: InspectSettings) -> list[ModelSettings]:
    """Return the settings with which each reference model is opened.

    The settings of the inspected model are used, unless `doldrum references` made the references.
    """
    assert settings.references is not None
    given = {
        field.name: getattr(settings, field.name)
        for field in fields(ModelSettings)
        if field.name not in _OWN and not field.name.startswith(PREFIX)
    }
    return reference_settings(settings.references, **given)[0]


@dataclass(frozen=True)
class _Examiner:
    """Examines one reference in a confined process.

    A call returns the name of the reference model, and the results as JSON text. An examiner can be sent to workers.
    """

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
                f"expected the results for reference model {name} from the confined process, got results that cannot be read: {visible(str(error))}",
                reason="nonsense",
            ) from error
        shutil.rmtree(work, ignore_errors=True)
        return model.path.name, json.dumps({"model_sha256": digest, "input_shape": shape, "examination": made})


@dataclass(frozen=True)
class Shelf:
    """The stored results of reference models for one set of clean images, one seed and one choice of inspectors.

    The results are stored in EXAMINED/KEY, inside the folder of the reference models. If doldrum cannot write to this
    folder, the results are stored in `out`.
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
        """The reference models without stored results: never examined, or changed since their examination."""
        return [one for one in self.models if self._kept(one) is None]

    def _kept(self, model: ModelSettings) -> dict[str, Any] | None:
        return _kept(self.place, model, self.settings.inspectors)

    def described(self, *, progress: bool) -> list[dict[str, Any]]:
        """Return a dict {name, input_shape, num_classes, fingerprint} for every reference model.

        References that are not examined yet are opened, all in one confined process. Raises InputError if some
        references cannot be opened; the message lists their names.
        """
        # Read once: another inspection may add to what is kept meanwhile
        kept = [self._kept(one) for one in self.models]
        missing = [one for one, known in zip(self.models, kept, strict=True) if known is None]
        made = iter(_opened(missing, self.settings, progress=progress))
        found = [next(made) if known is None else _of_kept(known) for known in kept]
        return [{"name": visible(one.path.name), **facts} for one, facts in zip(self.models, found, strict=True)]

    def examine(self, sent: dict[str, Any], *, progress: bool, say: Callable[[str], None]) -> None:
        """Examine the references that have no result yet: one after another here, or several at once in workers.

        If another inspection is examining the same references, wait for this inspection and use its results.
        """
        if not self.missing:
            return

        def busy() -> None:
            say("another inspection is examining these reference models; waiting for its results")

        with locked(self.place, wait=True, busy=busy):
            todo = self.missing
            if not todo:
                return
            say(
                f"examining {len(todo):,} of {len(self.models):,} reference models; the results are kept in the folder {self.place}, so that other inspections can use the results too"
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
        """Return a dict {name, input_shape, examination} for every reference model, ordered by name."""
        found: list[dict[str, Any]] = []
        for one in self.models:
            kept = self._kept(one)
            if kept is None:
                raise InputError(
                    f"expected reference models that do not change during a run, got a changed file {visible(one.path.name)}; run the same command again"
                )
            found.append(
                {"name": visible(one.path.name), "input_shape": kept["input_shape"], "examination": kept["examination"]}
            )
        return found


def _of_kept(kept: dict[str, Any]) -> dict[str, Any]:
    made = kept["examination"]
    return {"input_shape": kept["input_shape"], "num_classes": made["num_classes"], "fingerprint": made["fingerprint"]}


def _opened(models: list[ModelSettings], settings: InspectSettings, *, progress: bool) -> list[dict[str, Any]]:
    """Open models, and return a dict {input_shape, num_classes, fingerprint} for each model.

    Raises InputError if some models cannot be opened. Raises SandboxError if opening a model ended the confined
    process; the message names the model.
    """
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
                f"expected facts about the reference models from the confined process, got facts that cannot be read: {visible(str(error))}",
                reason="nonsense",
            ) from error
    if broken:
        more = f" and {len(broken) - _TOLD:,} more" if len(broken) > _TOLD else ""
        raise InputError(
            f"expected reference models that can be opened, got {len(broken):,} of {len(models):,} models that cannot be opened: {', '.join(broken[:_TOLD])}{more}; take these models out"
        )
    return facts


def _whole_examination(found: dict[str, Any], inspectors: Sequence[str] | None) -> dict[str, Any]:
    """Call `checked_examination` on an examination, and also check that the examination is complete.

    Raises ValueError if the reading of a requested inspector is missing, or if no reading has values.
    """
    from doldrum.inspectors.kinds import DEFAULT

    made = checked_examination(found)
    names, asked = [one["inspector"] for one in made["readings"]], list(inspectors or DEFAULT)
    if names != asked:
        raise ValueError(f"readings of {names} instead of {asked}")
    if not any(one["values"] for one in made["readings"]):
        raise ValueError("readings without a value")
    return made


def _kept(place: Path, model: ModelSettings, inspectors: Sequence[str] | None) -> dict[str, Any] | None:
    """Load the stored results of one reference model. Returns None if there are no results, if the reference has
    changed since its examination, or if the file is not valid.
    """
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
    """A hash of everything that an examination depends on, except the model.

    The hash covers the clean images, the seed, the inspectors, their code, and the preprocessing.
    """
    clean = settings.clean if is_dataset(settings.clean) else digest_of(Path(settings.clean).resolve())
    preprocessing = {name: value for name, value in settings.preprocessing.items() if name not in _OWN}
    told = [doldrum.__version__, clean, settings.seed, settings.inspectors, preprocessing, settings.resize]
    digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode())
    code = Path(__file__).resolve().parents[1] / "inspectors"
    for path in sorted(code.rglob("*.py")):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
