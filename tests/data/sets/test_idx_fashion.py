"""IDX files, and Fashion-MNIST from each place it may be in."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import struct
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from doldrum.data import fashion_mnist, load_dataset
from doldrum.data.sets import fashion
from doldrum.data.sets.download import fetch_gzip
from doldrum.data.sets.idx import read_idx
from doldrum.errors import DatasetNotFoundError, InputError

DEBIAN = Path("/usr/share/datasets/fashion-mnist")
here = pytest.mark.skipif(not DEBIAN.is_dir(), reason="Debian's dataset-fashion-mnist is not installed")


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def test_read_idx_plain_and_packed(tmp_path: Path) -> None:
    array = np.arange(24, dtype=np.uint8).reshape(2, 3, 4)
    (tmp_path / "a").write_bytes(idx(array))
    (tmp_path / "a.gz").write_bytes(gzip.compress(idx(array), mtime=0))
    assert np.array_equal(read_idx(tmp_path / "a"), array)
    assert np.array_equal(read_idx(tmp_path / "a.gz"), array)


GOOD = idx(np.zeros((2, 3), np.uint8))
HOSTILE = {
    "empty": b"",
    "short magic": b"\0\0",
    "wrong magic": b"PK\3\4" + GOOD[4:],
    "wrong type": b"\0\0\x0d\2" + GOOD[4:],
    "no axes": b"\0\0\x08\0",
    "many axes": b"\0\0\x08\xff" + bytes(400),
    "header cut": GOOD[:10],
    "data cut": GOOD[:-1],
    "longer": GOOD + b"\0",
    "huge": struct.pack(">BBBB4I", 0, 0, 8, 4, *[0xFFFFFFFF] * 4),
    "just allowed, absent": struct.pack(">BBBBI", 0, 0, 8, 1, 1 << 31) + bytes(10),
    "zero and huge": struct.pack(">BBBB4I", 0, 0, 8, 4, 0, *[0xFFFFFFFF] * 3),
}


@pytest.mark.parametrize("what", HOSTILE)
@pytest.mark.parametrize("packed", [False, True])
def test_read_idx_refuses_hostile_files(tmp_path: Path, what: str, packed: bool) -> None:
    path = tmp_path / ("a.gz" if packed else "a")
    path.write_bytes(gzip.compress(HOSTILE[what], mtime=0) if packed else HOSTILE[what])
    with pytest.raises(InputError, match="expected"):
        read_idx(path)


@pytest.mark.parametrize(
    "data", [b"no gzip", gzip.compress(GOOD, mtime=0)[:-12], gzip.compress(GOOD, mtime=0)[:-8] + bytes(8)]
)
def test_read_idx_refuses_broken_gzip(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "a.gz").write_bytes(data)
    with pytest.raises(InputError, match="fetch the file again"):
        read_idx(tmp_path / "a.gz")


def test_read_idx_names_an_absent_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.gz"):
        read_idx(tmp_path / "gone.gz")


@here
@pytest.mark.parametrize(("split", "count"), [("train", 60000), ("test", 10000)])
def test_the_published_files(split: str, count: int) -> None:
    s = fashion_mnist(split, folder=DEBIAN)
    assert s.images.shape == (count, 1, 28, 28)
    assert s.images.dtype == np.uint8
    assert s.labels is not None
    assert np.bincount(s.labels).tolist() == [count // 10] * 10
    assert s.class_names[9] == "Ankle boot"
    assert len(set(s.ids)) == count
    assert s.name == f"fashion-mnist:{split}"


@here
def test_checksums_are_of_the_content() -> None:
    for name, digest in fashion._SHA256.items():
        assert hashlib.sha256(gzip.decompress((DEBIAN / name).read_bytes())).hexdigest() == digest


def put(folder: Path, *, images: int = 3, labels: int = 3) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for prefix in ("train", "t10k"):
        pixels = np.full((images, 28, 28), 7, np.uint8)
        (folder / f"{prefix}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(pixels), mtime=0))
        (folder / f"{prefix}-labels-idx1-ubyte").write_bytes(idx(np.arange(labels, dtype=np.uint8)))


@pytest.fixture
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine without the data set."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DOLDRUM_DATA", raising=False)
    monkeypatch.setattr(fashion, "_DEBIAN", tmp_path / "debian")
    return tmp_path


def test_absent_says_how_to_get_it(nowhere: Path) -> None:
    for call in (fashion_mnist, lambda: load_dataset("fashion-mnist"), lambda: fashion_mnist(folder=nowhere)):
        with pytest.raises(DatasetNotFoundError, match="apt-get install dataset-fashion-mnist"):
            call()
    with pytest.raises(InputError, match="split"):
        fashion_mnist("validation")


@pytest.mark.parametrize("place", ["data/fashion-mnist", "data", "cache/doldrum/fashion-mnist", "debian"])
def test_each_place_is_looked_in(nowhere: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    monkeypatch.setenv("DOLDRUM_DATA", str(nowhere / "data"))
    put(nowhere / place)
    assert len(fashion_mnist("test")) == 3
    assert fashion.locate() == nowhere / place


def test_images_and_labels_must_match(nowhere: Path) -> None:
    put(nowhere / "x", labels=2)
    with pytest.raises(InputError, match="one label per image"):
        fashion_mnist(folder=nowhere / "x")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    root = tmp_path / "served"
    root.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *args: object) -> None:
            super().__init__(*args, directory=str(root))  # pyright: ignore[reportArgumentType]

        def log_message(self, format: str, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            if not self.path.startswith("/cut/"):
                return super().do_GET()
            body = (root / self.path.removeprefix("/cut/")).read_bytes()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[: len(body) // 2])
            self.close_connection = True

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as httpd:
        thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{httpd.server_address[1]}/", root
        httpd.shutdown()
        thread.join()


CONTENT = np.random.default_rng(0).bytes(200_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()


def test_fetch_gives_the_whole_file(server: tuple[str, Path], tmp_path: Path) -> None:
    url, root = server
    (root / "x.gz").write_bytes(gzip.compress(CONTENT, mtime=0))
    target = fetch_gzip(url + "x.gz", tmp_path / "new" / "x.gz", sha256=DIGEST)
    assert gzip.decompress(target.read_bytes()) == CONTENT
    assert [p.name for p in target.parent.iterdir()] == ["x.gz"]


@pytest.mark.parametrize(
    ("served", "route", "why"),
    [
        (gzip.compress(CONTENT[:-1], mtime=0), "", "SHA-256"),
        (gzip.compress(CONTENT, mtime=0), "cut/", "x.gz"),
        (gzip.compress(CONTENT, mtime=0)[:-20], "", "only a part"),
        (gzip.compress(CONTENT, mtime=0) * 2, "", "more than one"),
        (CONTENT, "", "x.gz"),
        (gzip.compress(bytes(30_000_000), mtime=0), "", "at most"),
        (None, "", "404"),
    ],
    ids=["wrong", "cut by the server", "cut", "doubled", "no gzip", "bomb", "absent"],
)
def test_fetch_leaves_nothing_when_it_fails(
    server: tuple[str, Path], tmp_path: Path, served: bytes | None, route: str, why: str
) -> None:
    url, root = server
    if served is not None:
        (root / "x.gz").write_bytes(served)
    with pytest.raises(DatasetNotFoundError, match=why):
        fetch_gzip(url + route + "x.gz", tmp_path / "new" / "x.gz", sha256=DIGEST, size_limit=1_000_000)
    assert list((tmp_path / "new").iterdir()) == []


def test_fetch_with_no_server_or_no_folder(tmp_path: Path) -> None:
    with pytest.raises(DatasetNotFoundError, match="check the connection"):
        fetch_gzip("http://127.0.0.1:9/x.gz", tmp_path / "x.gz", sha256=DIGEST)
    with pytest.raises(DatasetNotFoundError):
        fetch_gzip("no address", tmp_path / "x.gz", sha256=DIGEST)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DatasetNotFoundError):
        fetch_gzip("http://127.0.0.1:9/x.gz", tmp_path / "file" / "x.gz", sha256=DIGEST)


def test_download_fills_the_cache_once(
    nowhere: Path, server: tuple[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    url, root = server
    digests = {}
    for name in fashion._SHA256:
        shape = (3, 28, 28) if "images" in name else (3,)
        content = idx(np.zeros(shape, np.uint8))
        (root / name).write_bytes(gzip.compress(content, mtime=0))
        digests[name] = hashlib.sha256(content).hexdigest()
    monkeypatch.setattr(fashion, "_PUBLISHED", url)
    monkeypatch.setattr(fashion, "_SHA256", digests)
    assert len(fashion_mnist("test", download=True)) == 3
    monkeypatch.setattr(fashion, "_PUBLISHED", "http://127.0.0.1:9/")
    assert len(fashion_mnist("train", download=True)) == 3
    assert {p.name for p in (nowhere / "cache/doldrum/fashion-mnist").iterdir()} == {*digests, ".lock"}
