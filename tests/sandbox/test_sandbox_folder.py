"""The folder of a confined process: it goes with its owner, and those of the dead go when the next one is made."""

from __future__ import annotations

import os
import tempfile
import threading
import time

import pytest

from doldrum.sandbox import folder
from doldrum.sandbox.folder import OwnFolder, remove_leftovers


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def aged(path) -> None:
    os.utime(path, (time.time() - 600,) * 2)


def test_it_goes_with_its_owner(place):
    own = OwnFolder()
    assert os.path.isdir(own.path)
    own.remove()
    own.remove()
    assert not os.path.exists(own.path)
    own = OwnFolder()
    path = own.path
    del own
    assert not os.path.exists(path)


def test_it_is_gone_when_either_of_two_threads_comes_back(monkeypatch):
    """A worker that leaves ends at once, in the middle of what its job removes."""
    begun, cleanup = threading.Event(), tempfile.TemporaryDirectory.cleanup

    def slow(self) -> None:
        begun.set()
        time.sleep(0.3)
        cleanup(self)

    monkeypatch.setattr(tempfile.TemporaryDirectory, "cleanup", slow)
    own = OwnFolder()
    first = threading.Thread(target=own.remove)
    first.start()
    assert begun.wait(10)
    own.remove()
    assert not os.path.exists(own.path)
    first.join()


def test_leftovers_of_the_dead_go_and_nothing_else_does(place):
    dead, young = place / "doldrum-run-dead", place / "doldrum-run-young"
    for path in (dead, young, place / "doldrum-other"):
        (path / "inner").mkdir(parents=True)
        (path / "inner" / "file").write_text("x")
    (dead / "inner" / "link").symlink_to(place / "doldrum-other")
    (place / "doldrum-run-link").symlink_to(place / "doldrum-other")
    (place / "doldrum-run-file").write_text("x")
    alive = OwnFolder()
    for path in (dead, place / "doldrum-other", alive.path):
        aged(path)
    os.utime(place / "doldrum-run-file", (0, 0))
    remove_leftovers()
    assert sorted(os.listdir(place)) == sorted(
        ["doldrum-other", "doldrum-run-file", "doldrum-run-link", "doldrum-run-young", os.path.basename(alive.path)]
    )
    assert (place / "doldrum-other" / "inner" / "file").exists()
    alive.remove()


def test_the_first_one_of_a_process_looks_for_them_once(place, monkeypatch):
    looks = []
    monkeypatch.setattr(folder, "_looked", False)
    monkeypatch.setattr(folder, "remove_leftovers", lambda: looks.append(1))
    for _ in range(3):
        OwnFolder().remove()
    assert looks == [1]
