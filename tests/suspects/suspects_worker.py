"""Opens models in a confined process and tells each one's message."""

from __future__ import annotations

import time


def open_each(specimens, tell):
    from doldrum.errors import DoldrumError
    from doldrum.suspects import Preprocessing, open_model

    for path, settings in specimens:
        settings = dict(settings)
        if size := settings.pop("size", None):
            settings["preprocessing"] = Preprocessing(size=size, channels="grey")
        started = time.process_time()
        try:
            suspect = open_model(path, **settings)
            end = ["opened", suspect.format]
        except (DoldrumError, MemoryError) as error:
            end = [type(error).__name__, str(error)]
        except Exception as error:
            end = ["crash", f"{type(error).__name__}: {error}"]
        tell([*end, time.process_time() - started])
    return len(specimens)
