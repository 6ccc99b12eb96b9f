"""A process with limits that opens hostile files and says what came out: `python hostile_child.py < paths.json`."""

from __future__ import annotations

import json
import resource
import sys
import time
from typing import Any

FORBIDDEN = (
    "socket.",
    "subprocess.",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "os.system",
    "pickle.find_class",
)
MEMORY = 3 << 30  # address space; the libraries alone map 1 GiB of it


def watch(event: str, args: tuple[Any, ...]) -> None:
    """Python's own record of what a program does: anything here ends the process."""
    writes = event == "open" and isinstance(args[1], str) and any(c in args[1] for c in "wax+")
    if event.startswith(FORBIDDEN) or writes:
        sys.stderr.write(f"forbidden: {event} {args[:1]}\n")
        sys.stderr.flush()
        import os

        os._exit(99)


def peak_memory() -> int:
    """KiB that this process has held at most; the figure of getrusage would include the one that started it."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmHWM"))


def main() -> None:
    import pyarrow.parquet  # noqa: F401  (loaded before the limits, as any user of it has)
    from PIL import Image

    Image.init()
    from doldrum.errors import InputError
    from doldrum.intake import ImageLimits, Picture, open_images

    paths = json.load(sys.stdin)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # a byte written to any file ends the process
    sys.addaudithook(watch)
    limits = ImageLimits(member_bytes=1 << 24, unpacked_free=1 << 26)
    for name, path in paths.items():
        began = time.process_time()
        ids, why = [], []
        pictures = total = 0
        try:
            for item in open_images(path, limits=limits):
                total += 1
                if isinstance(item, Picture):
                    pictures += 1
                    if len(ids) < 10:
                        ids.append(item.id)
                elif len(why) < 10:
                    why.append([item.id, item.why])
        except InputError as error:
            why.append(["", str(error)])
        peak = peak_memory()
        seconds = time.process_time() - began
        said = {"ids": ids, "why": why, "pictures": pictures, "total": total, "seconds": seconds, "peak": peak}
        print(json.dumps([name, said]), flush=True)


if __name__ == "__main__":
    main()
