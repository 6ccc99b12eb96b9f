"""Workers that measure blocks of images for a job's confined process. Each worker has its own confined process with the same model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from doldrum.confined.scanning.sending_out import packed
from doldrum.data import ImageSet
from doldrum.measuring import Checked, Measurement
from doldrum.measuring.checked import this_machine
from doldrum.opening.files import readable
from doldrum.opening.inside import open_suspect
from doldrum.opening.settings import ModelSettings
from doldrum.probes import probe_from_dict
from doldrum.sandbox import Limits, Request, Service, memory_share

__all__ = ["Helper", "serve"]


@dataclass
class Helper:
    """In a worker, outside of the worker's confined process: pass requests to the confined process, which has the
    model, and pass the answers back.

    The helper passes requests and answers on without interpreting them. `hours` limits the time for each answer. A
    helper is first sent to a worker, and starts the confined process there when the first request comes.
    """

    settings: ModelSettings
    hours: float
    _service: Service | None = None

    def __call__(self, request: Request) -> Request:
        settings = self.settings
        if self._service is None:
            limits = Limits(
                memory=memory_share(int(settings.memory * (1 << 30))),
                seconds=self.hours * 3600,
                read=None if settings.trust_code else readable(settings),
            )
            self._service = Service(f"{__name__}:serve", settings.to_dict(), limits=limits)
        found: list[bytes] = []
        self._service.ask([request], lambda _, data: found.append(data))
        return {}, b"".join(found)


def serve(settings: dict[str, Any], tell: Callable[[Any], None]) -> tuple[None, Any]:
    """In the confined process of a worker: return the function that answers the requests of `sending_out.sent_out` with
    labels."""
    classifier = open_suspect(settings).classifier
    known: dict[str, Measurement] = {}

    def handle(request: Request, read: Callable[[], Any], block: Callable[[Any, Any], None]) -> None:
        head, data = request
        at, banks = 0, dict[str, Any]()
        for its_hash, (shape, dtype) in head["overlays"].items():
            banks[its_hash] = np.frombuffer(data, dtype, int(np.prod(shape)), at).reshape(shape)
            at += banks[its_hash].nbytes
        images = np.frombuffer(data, head["dtype"], offset=at).reshape(head["shape"])
        told = json.dumps([head["probes"], head["checked"]], sort_keys=True)
        key = hashlib.sha256(told.encode() + data[:at]).hexdigest()
        if key not in known:
            probes = {
                name: probe_from_dict(p, overlays=banks.get(p.get("overlays_hash")))
                for name, p in head["probes"].items()
            }
            checked = Checked.from_dict(head["checked"])
            checked = replace(checked, machine=this_machine())  # where it was checked, not here, counts
            known.clear()
            known[key] = Measurement(classifier, ImageSet(images), probes, engine=checked.name, checked=checked)
        (answers,) = known[key].answer([(images, [str(i) for i in range(len(images))])])
        block({}, packed(answers))

    return None, handle
