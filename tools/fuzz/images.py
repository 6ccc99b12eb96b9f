"""Coverage-guided fuzzing of the readers of images that somebody else made.

    python tools/fuzz/images.py {image,tar,zip,npz,npy,parquet,packed} [CORPUS] [libFuzzer options such as -max_total_time=300]

Needs atheris (pip install atheris), which is no part of the extra `dev`. A finding is a crash, a hang, too much memory, an
exception that our own code raises without meaning to, and anything that tests/intake/hostile_child.py forbids.
"""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import sys
import tempfile
import traceback
from pathlib import Path

import atheris  # pyright: ignore[reportMissingImports]
import numpy as np
import pyarrow as pa

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests"))

with atheris.instrument_imports(  # pyright: ignore[reportAttributeAccessIssue]
    include=["doldrum.intake", "PIL", "zipfile", "gzip", "ast"], enable_loader_override=False
):
    from doldrum.errors import InputError
    from doldrum.intake import ImageLimits, Picture, Skipped, source
    from intake import hostile, hostile_child  # pyright: ignore[reportMissingImports]

LIMITS = ImageLimits(pixels=1 << 20, member_bytes=1 << 20, members=200, unpacked_free=1 << 22, directory_bytes=1 << 18)
STARTS = {
    "image": (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"BM", b"RIFF", b"II*\0", b"MM\0*", b"P1", b"P3", b"P6"),
    "tar": (),
    "zip": (b"PK",),
    "npz": (b"PK",),
    "npy": (b"\x93NUMPY", b"\0\0\x08\x03"),
    "parquet": (b"PAR1",),
    "packed": (b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd"),
}
SUFFIXES = {"image": (".png", ".jpg", ".gif", ".webp", ".tif", ".bmp", ".ppm"), "packed": (".gz", ".xz", ".zst")}


def seeds(target: str) -> list[bytes]:
    """Files of the hostile corpus that are small enough, and whole ones."""
    found = []
    for name, make in hostile.MAKERS.items():
        suffix = "." + name.rsplit("_", 1)[-1]
        if suffix in SUFFIXES.get(target, (f".{target}",)) and not name.startswith(
            ("tiny", "bomb", "text_", "profile_")
        ):
            with tempfile.TemporaryDirectory() as folder:
                data = make(Path(folder)).read_bytes()
            found += [data] if len(data) < 1 << 17 else []
    return found + whole(target)


def whole(target: str) -> list[bytes]:
    """Files without a fault."""
    grey = np.arange(64, dtype=np.uint8).reshape(8, 8)
    members = {"cat/a.png": hostile.GOOD, "b.gif": hostile.encoded("GIF", grey)}
    tar = hostile.tarred(*((name, data, {"pax_headers": {"comment": "x"}}) for name, data in members.items()))
    return {
        "image": [hostile.encoded(kind, grey) for kind in ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")],
        "tar": [tar],
        "zip": [hostile.zipped(members)],
        "npz": [hostile.saved(images=grey[None], labels=np.array(["a"]))],
        "npy": [hostile.npy(hostile.shape_header("(1, 8, 8)"), grey.tobytes())],
        "parquet": [
            hostile.table({"image": [{"bytes": hostile.GOOD, "path": "a"}], "label": [1]}, compression="snappy")
        ],
        "packed": [gzip.compress(tar), lzma.compress(tar), bz2.compress(tar), pa.compress(tar, "zstd", asbytes=True)],
    }[target]


class Finding(Exception):
    """What a reader must not do."""


def check_item(item: Picture | Skipped) -> None:
    if not item.id.isprintable():
        raise Finding(f"an id that isn't visible: {item.id!r}")
    if isinstance(item, Skipped):
        if not (item.why.startswith("expected ") and item.why.isprintable()):
            raise Finding(f"an odd reason: {item.why!r}")
    elif item.pixels.ndim != 3 or item.pixels.shape[2] != 3 or not item.pixels.size:
        raise Finding(f"no picture: {item.pixels.shape}")
    elif item.label is not None and not item.label.isprintable():
        raise Finding(f"a label that isn't visible: {item.label!r}")


def check(target: str, data: bytes) -> None:
    """Read everything in `data`; raise what is a finding."""
    if STARTS[target] and not data.startswith(STARTS[target]):
        return
    try:
        for item in source.read_items(io.BytesIO(data), "x.npz" if target == "npz" else "x", LIMITS):
            check_item(item)
    except InputError as error:
        if not str(error).isprintable():
            raise Finding(f"a message that isn't visible: {error!r}") from error
    except Finding:
        raise
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        if "doldrum" in last.filename:  # libraries raise what they like on damaged files, our code does not
            raise


def main() -> None:
    target, *options = sys.argv[1:]
    corpus = Path(options.pop(0)) if options and not options[0].startswith("-") else Path(f"fuzz-{target}")
    corpus.mkdir(parents=True, exist_ok=True)
    for i, data in enumerate(seeds(target)):
        (corpus / f"seed-{i:03}").write_bytes(data)
    arguments = [
        sys.argv[0],
        str(corpus),
        "-max_len=65536",
        "-timeout=30",
        "-rss_limit_mb=2500",
        "-print_final_stats=1",
    ]
    atheris.Setup([*arguments, *options], lambda data: check(target, data))
    sys.addaudithook(hostile_child.watch)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
