"""The store for files at an address, which uses fsspec. Only this module handles fsspec's errors."""

from __future__ import annotations

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from doldrum.errors import DoldrumError, InputError, StorageError, missing_extra
from doldrum.intake import visible
from doldrum.remote.addresses import is_address, redacted, scrubbed, split_query
from doldrum.remote.stores import Held, LocalStore, Store

__all__ = ["AddressedStore", "store_of"]

_TAGS = ("ETag", "etag", "e_tag", "md5Hash", "content_md5", "Last-Modified", "last_modified", "mtime", "created")
_EXTRA = {"gs": "gcs", "gcs": "gcs", "s3": "urls", "s3a": "urls", "http": "urls", "https": "urls"}
_DENIED = ("PermissionError", "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError")
_DENIED_CODES = ("401", "403")
_DENIED_WORDS = (
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "AccessDenied",
    "ExpiredToken",
    "InvalidToken",
    "Forbidden",
    "Unauthorized",
)
_KEPT = 50  # the last characters of a name: it may be longer than those of this machine's files
_ABSENT_WORDS = ("NoSuchBucket", "NoSuchKey", "The specified bucket does not exist")
# An S3 client waits a minute and tries several times by itself; told once that nobody is there, a person should soon know.
_S3 = {"config_kwargs": {"connect_timeout": 10, "read_timeout": 60, "retries": {"mode": "standard", "max_attempts": 4}}}


class AddressedStore(Store):
    """Files below an address.

    The query string of the store's address may be a signature. So this query string is part of the address of every
    file in the store. The library fsspec takes settings and credentials from environment variables, from its own
    configuration files or from the machine's role. doldrum passes no credentials to fsspec.
    """

    def __init__(self, root: str) -> None:
        bare, self._query = split_query(root)
        self.root = bare if bare.endswith("/") else bare + "/"
        self._scheme = bare.partition("://")[0].lower()
        self._fs: Any = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) | {"_fs": None}

    def shown(self, name: str = "") -> str:
        return redacted(self.root + name + self._query)

    def listed(self) -> dict[str, Held]:
        if self._scheme in ("http", "https"):
            raise InputError(
                f"expected the address of a file, got {self.shown()}: files at https cannot be listed; name them, e.g. shard-{{000..099}}.tar"
            )
        with self._explained("") as fs:
            fs.invalidate_cache()
            top = fs._strip_protocol(self.root).rstrip("/") + "/"
            try:
                found = fs.find(top, detail=True)
            except FileNotFoundError:
                if self._scheme in ("s3", "s3a") and not fs.exists(top.partition("/")[0]):
                    raise
                return {}
            if not found and not self._is_there(fs, top.partition("/")[0]):
                raise FileNotFoundError(top)
        names = {path[len(top) :]: info for path, info in sorted(found.items()) if path.startswith(top)}
        # Consoles make a folder as an empty object "folder/": it is no file.
        return {name: _held(info) for name, info in names.items() if name and not name.endswith("/")}

    def _is_there(self, fs: Any, bucket: str) -> bool:
        """Whether a bucket with this name exists. An empty list of files does not show whether the bucket is empty or
        does not exist."""
        return self._scheme not in ("s3", "s3a", "gs", "gcs") or fs.exists(bucket)

    def held(self, name: str) -> Held:
        with self._explained(name) as fs:
            fs.invalidate_cache()
            return _held(fs.info(self._path(name)))

    def fetched(self, name: str, folder: Path) -> Path:
        target = folder / name.rpartition("/")[2][-_KEPT:]
        with self._explained(name) as fs:
            fs.get_file(self._path(name), str(target))
        return target

    def read(self, name: str) -> bytes | None:
        with self._explained(name) as fs:
            try:
                return fs.cat_file(self._path(name))
            except FileNotFoundError as error:
                if _cause(error) is error:
                    return None
                raise

    def put(self, name: str, data: bytes) -> None:
        # One request, or parts that become visible with the last: whole or not at all.
        with self._explained(name) as fs:
            fs.pipe_file(self._path(name), data)

    def check_name(self, name: str) -> None:
        """Accept every name: a file name that can be used at one address can be used at every other address too."""

    def check_writable(self) -> None:
        if self._scheme in ("http", "https"):
            raise InputError(
                f"expected results to go to a folder, s3:// or gs://, got {self.shown()}, and https can't be written to; name a folder or another address with --out"
            )

    def _path(self, name: str) -> str:
        return self.root + name + self._query

    def _connected(self) -> Any:
        if self._fs is None:
            try:
                import fsspec
            except ImportError as error:
                raise missing_extra("fsspec", "urls", error) from error
            try:
                settings = _S3 if self._scheme in ("s3", "s3a") else {}
                self._fs = fsspec.core.url_to_fs(self.root, **settings)[0]
            except ImportError as error:
                library = {"urls": "s3fs" if self._scheme in ("s3", "s3a") else "aiohttp", "gcs": "gcsfs"}
                extra = _EXTRA.get(self._scheme, "urls")
                raise missing_extra(library[extra], extra) from error
            except ValueError as error:
                raise InputError(
                    f"expected an address that begins with s3://, gs:// or https://, got {self.shown()}; {scrubbed(error)}"
                ) from None
        return self._fs

    @contextlib.contextmanager
    def _explained(self, name: str) -> Iterator[Any]:
        """A context manager that gives the fsspec file system.

        Errors of the file system are converted to errors of doldrum, which contain no secrets and no reference to the
        original error.
        """
        try:
            yield self._connected()
        except DoldrumError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):  # this machine's own disk
                text = "expected space on the disk, got a full disk; free some space and run the same command again"
                # A library that copies says no name; copies go to the temporary folder.
                raise OSError(error.errno, text, str(error.filename or tempfile.gettempdir())) from None
            raise self._told(_cause(error), name) from None

    def _told(self, error: BaseException, name: str) -> DoldrumError:
        where, kind = self.shown(name), type(error).__name__
        status, why = str(getattr(error, "status", "")), visible(scrubbed(error)) or kind
        if isinstance(error, FileNotFoundError) or status == "404" or any(word in why for word in _ABSENT_WORDS):
            return InputError(f"expected a file or folder at {where}, got nothing there; check the address")
        if kind in _DENIED or status in _DENIED_CODES or any(word in why for word in _DENIED_WORDS):
            return InputError(
                f"expected access to {where}, got a refusal: {why}; check the credentials, and what they allow"
            )
        return StorageError(
            f"expected an answer from {where}, got the error {kind}: {why}; check the address and the network, and run the same command again"
        )


def store_of(place: str | os.PathLike[str]) -> Store:
    """The store at a folder's path, or at an address."""
    text = os.fspath(place)
    return AddressedStore(text) if is_address(text) else LocalStore(text)


def _cause(error: BaseException) -> BaseException:
    """Find the error that caused an error of fsspec, because fsspec's HTTP code raises "not found" for every kind of
    error."""
    while isinstance(error, FileNotFoundError) and isinstance(error.__cause__, Exception):
        error = error.__cause__
    return error


def _held(info: dict[str, Any]) -> Held:
    tag = next((f"{info[key]}" for key in _TAGS if info.get(key) is not None), "")
    size = info.get("size")
    return Held(None if size is None else int(size), tag.strip('"') or f"size {size}")
