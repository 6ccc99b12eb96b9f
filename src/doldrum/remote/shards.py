"""Shards are files of many images. Shards are given by a pattern, by the name of one file, or by their folder."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from doldrum.errors import InputError, StorageError
from doldrum.locks import check_out_apart
from doldrum.remote.addressed import store_of
from doldrum.remote.addresses import expanded, is_address, is_pattern, redacted, split_query
from doldrum.remote.stores import Held, Store
from doldrum.sandbox.folder import OwnFolder

__all__ = ["Shard", "Shards", "find_shards"]


@dataclass(frozen=True)
class Shard:
    """A shard, which is a file of a store. `listed` holds the size and the tag that the file had when `find_shards`
    looked it up. `listed` is None for a name from a pattern, because `find_shards` does not look up such names."""

    name: str
    listed: Held | None = None


@dataclass(frozen=True)
class Shards:
    """The shards below one folder or address, in order."""

    store: Store
    shards: tuple[Shard, ...]

    def check_apart(self, source: str | os.PathLike[str], out: str | os.PathLike[str]) -> None:
        """Raise InputError if `out` is in the folder `source`: the next run would take the results for shards."""
        if not is_address(source) and not is_address(out):
            check_out_apart(os.fspath(source), Path(out), what="shards")
        whole = f"{redacted(source).rstrip('/')}/" == self.store.shown()  # else they are named one by one
        if whole and is_address(source) and f"{redacted(out).rstrip('/')}/".startswith(self.store.shown()):
            raise InputError(
                f"expected --out outside of {self.store.shown()}, where the shards are, got {redacted(out)}; give another folder or address"
            )

    @contextmanager
    def here(self, shard: Shard) -> Iterator[tuple[Path, str]]:
        """Provide the shard as a file on this machine while the block runs, together with its tag.

        The tag must be the same before and after the copy. Raises StorageError if the shard has changed after it was
        listed, or while it was read. Also raises the errors of :class:`doldrum.remote.stores.Store`.
        """
        before = shard.listed or self.store.held(shard.name)
        folder = OwnFolder()
        try:
            path = self.store.fetched(shard.name, Path(folder.path))
            self._check_same(shard, before, path.stat().st_size)
            yield path, before.tag
            if path.parent != Path(folder.path):  # it was read where it is
                self._check_same(shard, before, path.stat().st_size)
        finally:
            folder.remove()

    def _check_same(self, shard: Shard, before: Held, size: int) -> None:
        after = self.store.held(shard.name)
        if after.tag != before.tag or size != (size if after.size is None else after.size):
            raise StorageError(
                f"expected the shard {self.store.shown(shard.name)} to stay unchanged (ETag {before.tag}), got a changed shard (ETag {after.tag}); run the same command again when nothing writes to this shard"
            )


def find_shards(source: str | os.PathLike[str], *, wanted: Callable[[str], bool] = lambda name: True) -> Shards:
    """Find the shards that `source` names. `source` is a pattern with braces, the address or path of one file, or a
    folder.

    If the source is a folder, `wanted` decides by name which of its files are used. Raises InputError if the source
    does not exist or has no shards. Also raises the errors of :class:`doldrum.remote.stores.Store`.
    """
    text = os.fspath(source)
    if is_pattern(text):
        names = expanded(text)
        head = split_query(text)[0].partition("{")[0]
        base = head[: head.rfind("/") + 1]
        query = split_query(text)[1]
        inner = [split_query(name)[0][len(base) :] for name in names]
        if len(set(inner)) < len(inner):
            raise InputError(
                f"expected a pattern that names each shard once, got the pattern {redacted(text)}; check the pattern's braces"
            )
        return Shards(store_of(base + query if base else "."), tuple(Shard(name) for name in inner))
    folder = Shards(store_of(text), ())
    if not is_address(text) and not os.path.exists(text):
        raise InputError(f"expected shards at {text}, got nothing there; check the path")
    listed = {} if _is_file(text) else folder.store.listed()
    if listed:
        found = tuple(Shard(name, held) for name, held in listed.items() if wanted(name))
        if not found:
            raise InputError(
                f"expected shards (tar, zip, Parquet, npz, npy) at {redacted(text)}, got {len(listed):,} files of other kinds, such as "
                f"{next(iter(listed))}; pack loose images into tars"
            )
        return Shards(folder.store, found)
    bare, query = split_query(text)
    base, slash, name = bare.rstrip("/").rpartition("/")
    store = store_of((base + "/" if slash else ".") + (query if is_address(text) else ""))
    if not is_address(text) and not os.path.isfile(text):
        raise InputError(f"expected shards at {text}, got an empty folder; check the path")
    return Shards(store, (Shard(name, store.held(name)),))


def _is_file(text: str) -> bool:
    """Whether the source `text` is a single file, and cannot be a folder.

    Every https address is a single file, because https has no folders.
    """
    return split_query(text)[0].startswith(("http://", "https://")) if is_address(text) else os.path.isfile(text)
