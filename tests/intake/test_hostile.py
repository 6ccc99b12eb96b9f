"""Hostile and broken files: each gives what this table says; nothing is written, run, followed or swollen."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from intake.hostile import CANARY, MAKERS

NOT_ONE = "expected images (a folder, an image, a zip, tar, Parquet, .npy, .npz or IDX file), got "
BROKEN = "expected a whole image, got one that cannot be decoded"
BOMB = "a decompression bomb"
ANOTHER = "got an archive or a table"
# Each file: how many pictures it gives, and what is said about the rest (of the first ten).
TABLE: dict[str, tuple[int, list[str]]] = {
    "dimensions_png": (0, ["expected at most 33554432 pixels, got 3600000000"]),
    "dimensions_max_png": (0, ["expected at most 33554432 pixels, got"]),
    "nothing_png": (0, ["got a broken PNG"]),
    "cut_png": (0, [BROKEN]),
    "more_pixels_png": (1, []),
    "text_bomb_png": (0, ["expected an image with at most 1 MiB of metadata (texts, a colour profile)"]),
    "profile_bomb_png": (0, ["expected an image with at most 1 MiB of metadata (texts, a colour profile)"]),
    "checksum_png": (0, [BROKEN]),
    "exif_bomb_png": (1, []),
    "ghostscript_png": (0, [NOT_ONE + "PostScript"]),
    "entity_svg": (0, [NOT_ONE + "SVG"]),
    "entity_png": (0, [NOT_ONE + "SVG"]),
    "page_jpg": (0, [NOT_ONE + "PDF"]),
    "page_png": (0, [NOT_ONE + "HTML"]),
    "pickle_png": (0, [NOT_ONE + "pickle"]),
    "empty_png": (0, [NOT_ONE + "an empty file"]),
    "icon_png": (0, [NOT_ONE + "other bytes"]),
    "dimensions_webp": (0, ["expected at most 33554432 pixels, got 16384 x 16384"]),
    "cut_jpg": (0, ["image file is truncated"]),
    "scans_jpg": (0, ["expected a JPEG with few scans, got 20"]),
    "dimensions_gif": (0, ["expected at most 33554432 pixels, got"]),
    "polyglot_gif": (0, ["got a broken GIF"]),
    "tiles_tif": (0, ["expected tiles no larger than the image, got 1073741824 x 1073741824"]),
    "loop_tif": (1, []),
    "count_tif": (0, ["got a broken TIFF"]),
    "dimensions_tif": (0, ["expected at most 33554432 pixels, got"]),
    "dimensions_bmp": (0, ["expected at most 33554432 pixels, got"]),
    "digits_ppm": (0, ["expected a binary PPM, got 25000000 pixels in decimal digits"]),
    "dimensions_ppm": (0, ["Token too long in file header"]),
    "number_ppm": (0, ["Token too long in file header"]),
    "pickle_npy": (0, ["got pickled objects, which are never loaded"]),
    "absurd_npy": (0, ["expected as many values as the header says, got the end of the file"]),
    "wide_npy": (0, ["expected at most 33554432 pixels per image, got 1000000000 x 1000000000"]),
    "code_npy": (0, ["expected the header of an .npy file, got malformed node or string"]),
    "nested_npy": (0, ["expected the header of an .npy file"]),
    "header_npy": (0, ["expected an .npy header of at most 10000 bytes, got 4294967280"]),
    "negative_npy": (0, ["expected a shape of numbers from 0 up, got (-1, 2, 2)"]),
    "cut_npy": (1, ["cut.npy: the rest: expected as many values as the header says"]),
    "fortran_npy": (0, ["expected an array in C order"]),
    "words_npy": (0, ["expected uint8, uint16 or float pixels, got <U4"]),
    "floats_npy": (0, ["expected finite pixels, got NaN or infinities"]),
    "record_npy": (0, ["got pickled objects, which are never loaded"]),
    "pickle_npz": (0, ["got pickled objects, which are never loaded"]),
    "pickle_labels_npz": (0, ["got pickled objects, which are never loaded"]),
    "absurd_npz": (0, ["expected at most 33554432 pixels per image"]),
    "bomb_npz": (16, ["bomb.npz: the rest: expected at most 67108864 bytes from a file of", BOMB]),
    "labels_npz": (0, ["expected labels of at most 16777216 bytes, got labels of 99999999999"]),
    "other_npz": (0, ["expected an array named images or x or X, got arrays named \\x1b[31m<b>"]),
    "cut_idx": (0, ["expected as many values as the header says"]),
    "traversal_zip": (3, []),
    "link_zip": (0, ["got a link, which is not followed"]),
    "encrypted_zip": (0, ["got an encrypted one"]),
    "nested_zip": (0, [f"inner.zip: expected an image, {ANOTHER} (zip)", f"{ANOTHER} (gzip)", f"{ANOTHER} (Parquet)"]),
    "bomb_zip": (0, ["expected at most 16777216 bytes, got 671"]),
    "bombs_zip": (0, ["Unsupported BMP header", "bombs.zip: the rest", BOMB]),
    "sizes_zip": (0, ["Bad CRC-32"]),
    "zip64_zip": (0, ["expected a zip's table of contents inside the file, got one of 1152921504606846976 bytes"]),
    "directory_zip": (0, ["expected a zip's table of contents inside the file, got one of 2147483647 bytes"]),
    "overlapping_zip": (16, ["overlapping.zip: the rest", BOMB]),
    "method_zip": (0, ["expected an entry that is stored, deflated or packed with bzip2, got compression method 14"]),
    "damaged_zip": (1, ["a.png: expected a whole entry, got Bad CRC-32"]),
    "cut_zip": (0, ["expected a whole zip, got one without its end"]),
    "names_zip": (2, []),
    "tiny_zip": (0, ["0.png: expected an image", "9.png: expected an image"]),
    "empty_zip": (0, []),
    "traversal_tar": (2, []),
    "links_tar": (0, ["sym.png: expected a file, got a symbolic link", "a hard link", "a device", "a pipe"]),
    "size_tar": (0, ["a.png: expected at most 16777216 bytes, got 1152921504606846976", "got its end in the middle"]),
    "negative_tar": (0, ["expected a size from 0 up in a tar header, got a negative one"]),
    "octal_tar": (0, ["expected an octal size in a tar header, got b'9zz'"]),
    "long_name_tar": (0, ["expected a header of at most 1048576 bytes in a tar, got 1073741824"]),
    "extended_tar": (0, ["expected an extended header of whole records, got a damaged one"]),
    "extended_endless_tar": (0, ["expected an extended header of whole records"]),
    "extended_size_tar": (0, ["expected a size in an extended header"]),
    "sparse_tar": (1, ["a.png: expected a file, got a sparse file"]),
    "cut_tar": (1, ["cut.tar: the rest: expected a whole tar, got its end in the middle of an entry"]),
    "middle_tar": (1, ["middle.tar: the rest: expected the header of a tar entry, got other bytes"]),
    "nested_tar": (0, [f"a.tar: expected an image, {ANOTHER} (tar)", f"c.zip: expected an image, {ANOTHER} (zip)"]),
    "pickles_tar": (1, ["0.pyd: expected an image", "got pickle"]),
    "tiny_tar": (0, ["0.png: expected an image", "9.png: expected an image"]),
    "bomb_tar_gz": (0, ["0.png: expected at most 16777216 bytes, got 33554432", BOMB]),
    "cut_tar_gz": (1, ["cut.tar.gz: the rest: expected a whole packed file, got Compressed file ended before"]),
    "checksum_tar_gz": (1, []),
    "text_gz": (0, ["got a gzip file that holds neither a tar nor an IDX file"]),
    "memory_tar_xz": (0, ["expected a whole packed file, got Memory usage limit exceeded"]),
    "window_tar_zst": (0, ["Frame requires too much memory for decoding"]),
    "types_parquet": (0, ["expected a column of encoded images", "got image: list<element: int64>, label: int64"]),
    "elsewhere_parquet": (0, ["000000 /etc/passwd: expected an image, got the name of a file elsewhere", "\\x1b[2J"]),
    "footer_parquet": (0, ["expected a Parquet footer of at most", "got 2147483647"]),
    "damaged_parquet": (0, ["000000: expected an image", "got another kind of file"]),
    "metadata_parquet": (0, ["expected a whole Parquet file"]),
    "levels_parquet": (0, ["Definition level histogram size mismatch"]),
    "cut_parquet": (0, ["expected a whole Parquet file, got one without its end"]),
    "bomb_parquet": (0, ["expected groups of rows of at most 268435456 bytes, got a group of 314"]),
    "names_parquet": (0, ["expected a column of encoded images", "=1+1\\x1b: string"]),
    "folder_of_links": (
        1,
        ["b.png: expected a file, got a link", "c: expected a file, got a link", "d: expected", "e.png: ", "a pipe", ".hidden"],
    ),
    "folder_of_odd_names": (6, []),
    "folder_too_deep": (1, []),
}  # fmt: skip


def outcomes(folder: Path) -> dict[str, Any]:
    """What a process with limits (3 GiB of addresses, no file written, no socket, no program, no unpickling) says of each file."""
    here = Path(__file__).parent
    made = subprocess.run(
        [sys.executable, str(here / "hostile.py"), str(folder)], capture_output=True, text=True, timeout=300, check=True
    ).stdout
    before = listing(folder)
    Path(CANARY).unlink(missing_ok=True)
    child = subprocess.run(
        [sys.executable, "-W", "error", str(here / "hostile_child.py")],
        input=made,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert child.returncode == 0, child.stderr[-2000:]
    assert child.stderr == ""
    assert listing(folder) == before
    return dict(json.loads(line) for line in child.stdout.splitlines())


def listing(folder: Path) -> list[tuple[bytes, float]]:
    """Every path (bytes: names are odd) with its time of change, but for the deep folder, whose paths are too long."""
    found = []
    for root, folders, files in os.walk(os.fsencode(folder)):
        folders[:] = [f for f in folders if f != b"folder_too_deep"]
        found += [(os.path.join(root, f), os.lstat(os.path.join(root, f)).st_mtime) for f in files]
    return sorted(found)


def test_the_table_has_every_file() -> None:
    assert set(TABLE) == set(MAKERS)


def wrong(name: str, said: dict[str, Any]) -> list[str]:
    """What the table says and the file doesn't."""
    pictures, messages = TABLE[name]
    text = "\n".join(f"{where}: {why}" for where, why in said["why"])
    found = [f"{name}: no message {message!r} in {text}" for message in messages if message not in text]
    if said["pictures"] != pictures or bool(messages) != bool(said["why"]):
        found.append(f"{name}: {said['pictures']} pictures; {text}")
    found += [f"{name}: {line!r}" for line in (*said["ids"], *text.split("\n")) if not line.isprintable()]
    if said["seconds"] > 20 or said["peak"] > 600 << 10:  # KiB
        found.append(f"{name}: {said['seconds']} s, {said['peak']} KiB")
    return found


@pytest.fixture
def emptied(tmp_path: Path) -> Iterator[Path]:
    """A folder out of which what pytest could not remove is taken again: shutil calls itself for every folder in another."""
    yield tmp_path
    subprocess.run(["rm", "-rf", str(tmp_path / "folder_too_deep")], check=True)


def test_hostile_files_give_what_the_table_says(emptied: Path) -> None:
    """One test, since the files are made and opened once."""
    said = outcomes(emptied)
    assert set(said) == set(TABLE)
    assert [line for name in TABLE for line in wrong(name, said[name])] == []
    # names of entries are only ids
    assert said["traversal_zip"]["ids"] == ["../../evil/1.png", "/etc/2.png", "C:\\x\\3.png"]
    assert said["traversal_tar"]["ids"] == ["../../evil.png", "/etc/cron.d/x.png"]
    assert said["names_zip"]["ids"][0] == "<img src=x onerror=alert(1)>/\\x1b[2J\\u202egnp.png"
    assert not Path("/etc/cron.d/x.png").exists()
    # all of many tiny entries are listed
    assert said["tiny_zip"]["total"] == said["tiny_tar"]["total"] == 20_000
    # nothing ran, though it would have
    assert not Path(CANARY).exists()
    for name in ("pickle_png/pickle.png", "pickle_npy/pickle.npy"):
        assert b"touch " + CANARY.encode() in (emptied / name).read_bytes()


def test_the_childs_watch_bites(tmp_path: Path) -> None:
    """The limits that the other tests rely on are real: what is forbidden ends the process."""
    here = str(Path(__file__).parent)
    for code in (
        "import socket; socket.socket()",
        "import os; os.system('true')",
        f"open({str(tmp_path / 'x')!r}, 'w')",
    ):
        run = f"import sys; sys.path.insert(0, {here!r}); import hostile_child as h; sys.addaudithook(h.watch); {code}"
        assert subprocess.run([sys.executable, "-c", run], capture_output=True, check=False).returncode == 99
