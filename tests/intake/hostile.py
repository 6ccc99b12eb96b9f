"""Files that lie, burst or bite, made from scratch: `python tests/intake/hostile.py FOLDER` writes them all.

Each maker takes an empty folder and gives the path to open. CANARY is what any of them would create if it ran code.
"""

from __future__ import annotations

import base64
import gzip
import io
import json
import os
import pickle
import socket
import struct
import sys
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

CANARY = "/tmp/doldrum-canary-ran"
MAKERS: dict[str, Callable[[Path], Path]] = {}
_NOISE = np.random.default_rng(1).integers(0, 256, (100, 100, 3), dtype=np.uint8)
_PIXELS = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)


class Bite:
    """Runs a command when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, (f"touch {CANARY}",)


def maker(make: Callable[[Path], Path]) -> Callable[[Path], Path]:
    MAKERS[make.__name__] = make
    return make


def data_file(name: str, make: Callable[[], bytes]) -> None:
    """A maker that writes some bytes."""

    def write(where: Path) -> Path:
        (where / name).write_bytes(make())
        return where / name

    MAKERS[name.replace(".", "_").replace("-", "_")] = write


def encoded(kind: str = "PNG", pixels: np.ndarray = _PIXELS, **options: Any) -> bytes:
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind, **options)
    return file.getvalue()


GOOD = encoded()


# --- images ---------------------------------------------------------------------------------------------------------


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(
    width: int, height: int, *, extra: bytes = b"", pixels: bytes = b"\0", depth: int = 8, colour: int = 0
) -> bytes:
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def tiff(tags: list[tuple[int, int, int, int]], *, next_one: int = 0, body: bytes = b"") -> bytes:
    """A little-endian TIFF of one directory: (tag, type, count, value or offset) each."""
    entries = b"".join(struct.pack("<HHII", *tag) for tag in sorted(tags))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + entries + struct.pack("<I", next_one) + body


def tiff_tags(width: int, height: int, *more: tuple[int, int, int, int]) -> list[tuple[int, int, int, int]]:
    plain = [(256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (277, 3, 1, 1)]
    return [tag for tag in plain if tag[0] not in {m[0] for m in more}] + list(more)


def jpeg_of_many_scans(scans: int) -> bytes:
    data = encoded("JPEG", np.zeros((2048, 2048), np.uint8), progressive=True)
    start = data.rindex(b"\xff\xda")
    last = data[start:-2]
    return data[:start] + last * scans + b"\xff\xd9"


def webp_claiming(width: int, height: int) -> bytes:
    body = b"VP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + (width - 1).to_bytes(3, "little")
    body += (height - 1).to_bytes(3, "little") + b"VP8L" + struct.pack("<I", 5) + b"\x2f\xff\xff\xff\x0f\0"
    return b"RIFF" + struct.pack("<I", len(body) + 4) + b"WEBP" + body


EPS = f"""%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 9 9
(%pipe%touch {CANARY}) (w) file
""".encode()
SVG = b"""<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<svg xmlns="http://www.w3.org/2000/svg"><text>&x;</text><image href="http://127.0.0.1/x.png"/></svg>"""

data_file("dimensions.png", lambda: png(60_000, 60_000))
data_file("dimensions_max.png", lambda: png(2**31 - 1, 2**31 - 1))
data_file("nothing.png", lambda: png(0, 0))
data_file("cut.png", lambda: encoded("PNG", _NOISE)[:5000])
data_file("more_pixels.png", lambda: png(8, 8, pixels=bytes(20_000_000)))
data_file(
    "text_bomb.png", lambda: png(1, 1, extra=chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(1 << 26))), pixels=bytes(2))
)
data_file(
    "profile_bomb.png",
    lambda: png(1, 1, extra=chunk(b"iCCP", b"a\0\0" + zlib.compress(bytes(1 << 26))), pixels=bytes(2)),
)
data_file("checksum.png", lambda: GOOD[:50] + b"????" + GOOD[54:])
data_file("exif_bomb.png", lambda: png(1, 1, extra=chunk(b"eXIf", tiff([(274, 3, 0x0FFFFFFF, 8)])), pixels=bytes(2)))
data_file("ghostscript.png", lambda: EPS)
data_file("entity.svg", lambda: SVG)
data_file("entity.png", lambda: SVG)
data_file("page.jpg", lambda: b"%PDF-1.7\n1 0 obj<</OpenAction<</S/Launch>>>>endobj")
data_file("page.png", lambda: b"<html><script>alert(1)</script>")
data_file("pickle.png", lambda: pickle.dumps(Bite()))
data_file("empty.png", lambda: b"")
data_file("icon.png", lambda: encoded("ICO"))
data_file("dimensions.webp", lambda: webp_claiming(16384, 16384))
data_file("cut.jpg", lambda: encoded("JPEG", _NOISE)[:3000])
data_file("scans.jpg", lambda: jpeg_of_many_scans(20_000))
data_file("dimensions.gif", lambda: b"GIF89a\xff\xff\xff\xff\0\0\0,\0\0\0\0\xff\xff\xff\xff\0\x08\0\0;")
data_file("polyglot.gif", lambda: b"GIF89a=1;\n__import__('os').system('touch " + CANARY.encode() + b"')")
data_file(
    "tiles.tif",
    lambda: tiff(tiff_tags(8, 8, (322, 4, 1, 1 << 30), (323, 4, 1, 1 << 30), (324, 4, 1, 8), (325, 4, 1, 64))),
)
data_file(
    "loop.tif",
    lambda: tiff(tiff_tags(8, 8, (273, 4, 1, 110), (278, 4, 1, 8), (279, 4, 1, 64)), next_one=8, body=bytes(90)),
)
data_file("count.tif", lambda: tiff(tiff_tags(8, 8, (273, 4, 0xFFFFFFF0, 8), (279, 4, 0xFFFFFFF0, 8))))
data_file("dimensions.tif", lambda: tiff(tiff_tags(0xFFFFFFFF, 0xFFFFFFFF, (273, 4, 1, 8), (279, 4, 1, 8))))
data_file(
    "dimensions.bmp",
    lambda: b"BM" + struct.pack("<IHHIIiiHHIIiiII", 54, 0, 0, 54, 40, 2**31 - 1, -(2**31) + 1, 1, 24, 0, 0, 0, 0, 0, 0),
)
data_file("digits.ppm", lambda: b"P3 5000 5000 255\n" + b"1 " * 1000)
data_file("dimensions.ppm", lambda: b"P6 99999999999999999999 1 255\n")
data_file("number.ppm", lambda: b"P6 " + b"9" * 5_000_000)


# --- arrays ---------------------------------------------------------------------------------------------------------


def npy(header: str | bytes, body: bytes = b"", *, length: int | None = None) -> bytes:
    text = header.encode() if isinstance(header, str) else header
    return b"\x93NUMPY\x02\0" + struct.pack("<I", len(text) if length is None else length) + text + body


def shape_header(shape: str, descr: str = "'|u1'", fortran: bool = False) -> str:
    return f"{{'descr': {descr}, 'fortran_order': {fortran}, 'shape': {shape}, }}\n"


def saved(**arrays: Any) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, allow_pickle=True, **arrays)
    return file.getvalue()


def npz(**members: bytes) -> bytes:
    return zipped({f"{key}.npy": data for key, data in members.items()})


data_file("pickle.npy", lambda: npy(shape_header("(1,)", "'|O'"), pickle.dumps(Bite())))
data_file("absurd.npy", lambda: npy(shape_header("(1000000000000000, 1000, 1000)"), b"x"))
data_file("wide.npy", lambda: npy(shape_header("(1, 1000000000, 1000000000)"), b"x"))
data_file("code.npy", lambda: npy(f"__import__('os').system('touch {CANARY}')\n"))
data_file("nested.npy", lambda: npy("(" * 9000 + ")" * 900))
data_file("header.npy", lambda: npy(shape_header("(1, 2, 2)"), length=0xFFFFFFF0))
data_file("negative.npy", lambda: npy(shape_header("(-1, 2, 2)"), bytes(100)))
data_file("cut.npy", lambda: npy(shape_header("(9, 2, 2)"), bytes(6)))
data_file("fortran.npy", lambda: npy(shape_header("(9, 2, 2)", fortran=True), bytes(36)))
data_file("words.npy", lambda: npy(shape_header("(2, 2, 2)", "'<U4'"), bytes(128)))
data_file("floats.npy", lambda: npy(shape_header("(1, 1, 2)", "'<f4'"), struct.pack("<2f", float("nan"), 1e30)))
data_file("record.npy", lambda: npy(shape_header("(1, 1, 2)", "[('a', '|O'), ('b', '<f4')]"), bytes(40)))
data_file("pickle.npz", lambda: saved(images=np.array([Bite()], dtype=object)))
data_file(
    "pickle_labels.npz", lambda: saved(images=np.zeros((1, 4, 4), np.uint8), labels=np.array([Bite()], dtype=object))
)
data_file("absurd.npz", lambda: npz(images=npy(shape_header("(1, 10000000000, 10000000000)"))))
data_file("bomb.npz", lambda: npz(images=npy(shape_header("(40, 2000, 2000)"), bytes(160_000_000))))
data_file(
    "labels.npz",
    lambda: npz(images=npy(shape_header("(1, 2, 2)"), bytes(4)), labels=npy(shape_header("(99999999999,)"))),
)
data_file("other.npz", lambda: npz(**{"\x1b[31m<b>": npy(shape_header("(1, 2, 2)"), bytes(4))}))
data_file("cut.idx", lambda: struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 2**16, 2**9) + b"x")


# --- zip ------------------------------------------------------------------------------------------------------------


def zipped(members: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", method) as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return file.getvalue()


def patched(data: bytes, signature: bytes, offset: int, value: bytes) -> bytes:
    """Every record with this signature gets `value` at `offset`."""
    out, at = bytearray(data), data.find(signature)
    while at >= 0:
        out[at + offset : at + offset + len(value)] = value
        at = data.find(signature, at + 4)
    return bytes(out)


def zip_link() -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        info = zipfile.ZipInfo("link.png")
        info.create_system, info.external_attr = 3, 0o120777 << 16
        archive.writestr(info, "/etc/passwd")
    return file.getvalue()


def zip_overlapping() -> bytes:
    """Many entries of the directory point at one member, as in Fifield's bomb."""
    data = zipped({"0.bmp": encoded("BMP", np.zeros((2000, 2000), np.uint8))})
    start = data.rindex(b"PK\x01\x02")
    end = data.rindex(b"PK\x05\x06")
    entries = data[start:end] * 500
    tail = struct.pack("<IHHHHIIH", 0x06054B50, 0, 0, 500, 500, len(entries), start, 0)
    return data[:start] + entries + tail


def zip64_lies() -> bytes:
    data = zipped({"a.png": GOOD})
    end = data.rindex(b"PK\x05\x06")
    record = struct.pack("<IQHHIIQQQQ", 0x06064B50, 44, 45, 45, 0, 0, 2**40, 2**40, 2**60, 2**62)
    locator = struct.pack("<IIQI", 0x07064B50, 0, end, 1)
    return data[:end] + record + locator + data[end : end + 8] + b"\xff" * 12 + data[end + 20 :]


data_file("traversal.zip", lambda: zipped({"../../evil/1.png": GOOD, "/etc/2.png": GOOD, "C:\\x\\3.png": GOOD}))
data_file("link.zip", zip_link)
data_file(
    "encrypted.zip", lambda: patched(patched(zipped({"a.png": GOOD}), b"PK\x01\x02", 8, b"\1"), b"PK\x03\x04", 6, b"\1")
)
data_file(
    "nested.zip",
    lambda: zipped({"inner.zip": zipped({"a.png": GOOD}), "x.tar.gz": gzip.compress(b"x"), "a.parquet": b"PAR1"}),
)
data_file("bomb.zip", lambda: zipped({"a.png": GOOD + bytes(1 << 26)}))
data_file("bombs.zip", lambda: zipped({f"{i}.bmp": b"BM" + bytes(1 << 23) for i in range(20)}))
data_file("sizes.zip", lambda: patched(zipped({"a.png": GOOD}), b"PK\x01\x02", 24, struct.pack("<I", 9)))
data_file("zip64.zip", zip64_lies)
data_file("directory.zip", lambda: patched(zipped({"a.png": GOOD}), b"PK\x05\x06", 12, struct.pack("<I", 0x7FFFFFFF)))
data_file("overlapping.zip", zip_overlapping)
data_file("method.zip", lambda: zipped({"a.png": GOOD}, zipfile.ZIP_LZMA))
data_file(
    "damaged.zip",
    lambda: zipped({"a.png": GOOD, "b.png": GOOD}, zipfile.ZIP_STORED).replace(GOOD, GOOD[:-9] + bytes(9), 1),
)
data_file("cut.zip", lambda: zipped({"a.png": GOOD})[:-30])
data_file(
    "names.zip",
    lambda: zipped({"<img src=x onerror=alert(1)>/\x1b[2J\u202egnp.png": GOOD, "=cmd|' /C calc'!A0.png": GOOD}),
)
data_file("tiny.zip", lambda: zipped({f"{i}.png": b"x" for i in range(20_000)}, zipfile.ZIP_STORED))
data_file("empty.zip", lambda: zipped({}))


# --- tar ------------------------------------------------------------------------------------------------------------


@contextmanager
def tar_of(data: io.BytesIO) -> Iterator[Callable[..., None]]:
    with tarfile.open(fileobj=data, mode="w") as archive:

        def add(name: str, content: bytes = GOOD, **fields: Any) -> None:
            info = tarfile.TarInfo(name)
            info.size = len(content)
            for key, value in fields.items():
                setattr(info, key, value)
            archive.addfile(info, io.BytesIO(content))

        yield add


def tarred(*entries: tuple[str, bytes, dict[str, Any]]) -> bytes:
    data = io.BytesIO()
    with tar_of(data) as add:
        for name, content, fields in entries:
            add(name, content, **fields)
    return data.getvalue()


def tar_header(name: bytes, size: bytes, kind: bytes = b"0") -> bytes:
    """A header with the size field as given."""
    block = bytearray(512)
    block[: len(name)] = name
    block[124 : 124 + len(size)] = size
    block[156:157], block[257:265] = kind, b"ustar\x0000"
    block[148:156] = b" " * 8
    block[148:156] = f"{sum(block):06o}\0 ".encode()
    return bytes(block)


def tar_links() -> bytes:
    kinds = {
        "sym": tarfile.SYMTYPE,
        "hard": tarfile.LNKTYPE,
        "chr": tarfile.CHRTYPE,
        "blk": tarfile.BLKTYPE,
        "fifo": tarfile.FIFOTYPE,
    }
    return tarred(*((f"{k}.png", b"", {"type": t, "linkname": "/etc/passwd"}) for k, t in kinds.items()))


def gzip_tar_bomb() -> bytes:
    """Gzip members may follow one another: 2 GiB from a few packed kilobytes, repeated."""
    piece = tar_header(b"0.png", b"%011o\0" % (1 << 25)) + bytes(1 << 25)
    return gzip.compress(piece, 9) * 8


data_file("traversal.tar", lambda: tarred(("../../evil.png", GOOD, {}), ("/etc/cron.d/x.png", GOOD, {})))
data_file("links.tar", tar_links)
data_file("size.tar", lambda: tar_header(b"a.png", b"\x80" + (2**60).to_bytes(11, "big")) + bytes(1024))
data_file("negative.tar", lambda: tar_header(b"a.png", b"\xff" * 12) + bytes(1024))
data_file("octal.tar", lambda: tar_header(b"a.png", b"9zz") + bytes(1024))
data_file("long_name.tar", lambda: tar_header(b"././@LongLink", b"%011o\0" % (1 << 30), b"L") + bytes(4096))
data_file(
    "extended.tar",
    lambda: tar_header(b"x", b"%011o\0" % 512, b"x") + (b"1" * 400).ljust(512, b"\0") + tar_header(b"a.png", b"0\0"),
)
data_file(  # a record without a length after a good one: found by the fuzzer, and once read for ever
    "extended_endless.tar",
    lambda: (
        tar_header(b"x", b"%011o\0" % 512, b"x") + b"13 comment=x\n".ljust(512, b"y") + tar_header(b"a.png", b"0\0")
    ),
)
data_file("extended_size.tar", lambda: tarred(("a.png", GOOD, {"pax_headers": {"size": "9" * 30}})))
data_file("sparse.tar", lambda: tarred(("a.png", b"", {"type": tarfile.GNUTYPE_SPARSE}), ("b.png", GOOD, {})))
data_file("cut.tar", lambda: tarred(("a.png", GOOD, {}), ("b.png", GOOD, {}))[:1700])
data_file("middle.tar", lambda: tarred(("a.png", GOOD, {}))[:1024] + b"not a header".ljust(512, b"x") * 2)
data_file(
    "nested.tar", lambda: tarred(("a.tar", tarred(("b.png", GOOD, {})), {}), ("c.zip", zipped({"d.png": GOOD}), {}))
)
data_file(
    "pickles.tar",
    lambda: tarred(
        ("0.pyd", pickle.dumps(Bite()), {}),
        ("0.cls", b"1", {}),
        ("1.pth", pickle.dumps(Bite()), {}),
        ("1.png", GOOD, {}),
    ),
)
data_file(
    "tiny.tar", lambda: b"".join(tar_header(b"%d.png" % i, b"1\0") + b"x".ljust(512, b"\0") for i in range(20_000))
)
data_file("bomb.tar.gz", gzip_tar_bomb)
data_file("cut.tar.gz", lambda: gzip.compress(tarred(("a.png", GOOD, {}), ("b.png", os.urandom(5000), {})))[:-3000])
data_file("checksum.tar.gz", lambda: gzip.compress(tarred(("a.png", GOOD, {})))[:-8] + bytes(8))
data_file("text.gz", lambda: gzip.compress(b"hello"))
data_file("memory.tar.xz", lambda: b"\xfd7zXZ\0\0\1" + struct.pack("<I", zlib.crc32(b"\0\1")) + xz_block())
data_file("window.tar.zst", lambda: b"\x28\xb5\x2f\xfd\x00\xf8" + b"\x01\x00\x00" + bytes(100))


def xz_block() -> bytes:
    """A block header that asks for a dictionary of 4 GiB."""
    head = b"\x02\x00\x21\x01\x28" + bytes(3)
    return head + struct.pack("<I", zlib.crc32(head)) + bytes(64)


# --- tables ---------------------------------------------------------------------------------------------------------


def table(columns: dict[str, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    pq.write_table(pa.table(columns), file, **options)
    return file.getvalue()


def no_images() -> list[dict[str, Any]]:
    return [
        {"bytes": None, "path": "/etc/passwd"},
        {"bytes": None, "path": "http://127.0.0.1:9/x.png"},
        {"bytes": b"x", "path": "\x1b[2J"},
    ]


data_file("types.parquet", lambda: table({"image": [[1, 2], [3]], "label": [0, 1]}))
data_file("elsewhere.parquet", lambda: table({"image": no_images()}))
data_file("footer.parquet", lambda: table({"image": [GOOD]})[:-8] + b"\xff\xff\xff\x7fPAR1")
data_file(
    "damaged.parquet",
    lambda: patched(
        table({"image": [GOOD] * 3}, compression="none", use_dictionary=False), b"\x89PNG", 0, b"\xff" * 30
    ),
)
data_file("metadata.parquet", lambda: (lambda d: d[:-200] + bytes(150) + d[-50:])(table({"image": [GOOD]})))
data_file("cut.parquet", lambda: table({"image": [GOOD] * 3})[:-20])
data_file(
    "bomb.parquet",
    lambda: table({"image": [bytes(1 << 20)] * 300}, compression="zstd", use_dictionary=False, row_group_size=300),
)
data_file("names.parquet", lambda: table({"=1+1\x1b": ["a"], "<b>": [1.0]}))


# Found by fuzzing: asking for a column's figures in this footer ended the whole process (pyarrow 26.0.1).
LEVELS = (
    "c-jka3^EjD5naF{x{Sp~lu499h=E}OQw$Fy14CzkpF1y?6c+;n1FxrtOAwIeU}X95nS%+)^3K(~1Eel{x;TbZ%wasiVE&&WzUk1-^RM|AD_+0Z"
    "^kc7p>y8&^{Z`u6axuz&aQb%asfM43*sYK1bJ!xTyef!@<zy*ftl#vOaev<#ty6x_Hy=HIBD!q9(xVL3t|g3b_lGU=m~`<)%5}ltV#lX6zufxn"
    "_l;c~GZ;U7eO7Ynla!3RI8WX^O`fTlR>!?ep0ICbSf;-7hUby*I(+rF#jL!4-qEXE!FtnpZWn`v&{PqH*E@YaUQ??+Z)KXpv)C%#_NzTRlfjOY"
    "ZyjVLE^in8(SGYfrTu#Q5c$83`SZ?4Cp9{%2=oKJ$KdJe=d#Wzp-GfMR7g}z2N*yCqHLmUGG+`KJxtgF2!yE=K$1f#fFwqP135SZ1%Vt+1(45~"
    "m>8KDfLV-7ln<7{SOtLDiy;w9qGC*xU`)iKSwK_-rkO(qq!|Rz^-FNTWDqPd1`RBt$Tl#7ZIFyHWsqPiPR>ZpO%!EeFk_Nn&CE?qPX)3?c~pVC"
    "q{@=iVhEe1Ah9GvmBB{_<OUXyWKLpIY7T=KlcbEKjT(cDD37Em1Dk-P2E+`AUQs47Cb2!dV#j#Z&atR*jAo(HEJP>^N$LQTK7%L|D5VPkDI2jF"
    "ERt-JX24VnREU|-zzGwa&WgmU)P4XH8ZUCD!ZeNv)if4}Y0&fxNwAD!M;O(9@Tr~PBQ1YnSf<G)sRp)5>=nNllNyIuivWY9j0BHkP>_GP6(r|L"
    "ykXJ@f%0@GM@Pp%M+oqCbS!stN_TW~bWC@2P6vxQ0TuXy7|xE4o?rn4?FeB)SYXn_1!$-Rkm2g=3e^PSIKn|FNM&(kxK~aRn4j+G0yZQWsuTp="
    "z+_<n$bBH!8AQTtf;!b1W|E^*AY4OYxM4<=5lGZI9pp75xc*SEB6oy-B=<UHq_{&oS_x8L0X7V1RivX+ImF+t2u)5-5U(a9{Eu*OWL}OzR0Ki`"
    "lDsX0ghD}LQDJFniEeU1fo@_^QGU5XS!z*nW`3T6k(r)>o}r`-u#|%!1~pa&h5%rD2>=il@k;"
)
data_file("levels.parquet", lambda: zlib.decompress(base64.b85decode(LEVELS)))


# --- folders --------------------------------------------------------------------------------------------------------


@maker
def folder_of_links(where: Path) -> Path:
    (where / "a.png").write_bytes(GOOD)
    os.symlink("/etc/passwd", where / "b.png")
    os.symlink("/", where / "c")
    os.symlink("d", where / "d")
    os.mkfifo(where / "e.png")
    with socket.socket(socket.AF_UNIX) as listening:
        here = os.open(where, os.O_RDONLY)
        try:
            listening.bind(f"/proc/self/fd/{here}/f.png")  # a socket's own path may have 107 bytes at most
        finally:
            os.close(here)
    (where / ".hidden.png").write_bytes(GOOD)
    return where


@maker
def folder_of_odd_names(where: Path) -> Path:
    for name in (b"a\nb.png", b"\xff.png", b"\x1b[31m.png", "\u202egnp.png".encode(), b"=1+1.png", b"<b>.png"):
        with open(os.fsencode(where) + b"/" + name, "wb") as file:
            file.write(GOOD)
    return where


@maker
def folder_too_deep(where: Path) -> Path:
    here = os.open(where, os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("d", dir_fd=here)
        here, outer = os.open("d", os.O_RDONLY, dir_fd=here), here
        os.close(outer)
    with open(os.open("a.png", os.O_CREAT | os.O_WRONLY, 0o600, dir_fd=here), "wb") as file:
        file.write(GOOD)
    os.close(here)
    return where


def make_all(folder: Path) -> dict[str, Path]:
    """Every file, each in its own folder; gives the paths to open."""
    made = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, make in MAKERS.items():
            (folder / name).mkdir(parents=True)
            made[name] = make(folder / name)
    return made


if __name__ == "__main__":
    print(json.dumps({name: str(path) for name, path in make_all(Path(sys.argv[1])).items()}))
