"""Fetching a published file: whole and checked, or not at all."""

from __future__ import annotations

import hashlib
import os
import urllib.request
import zlib
from pathlib import Path

from doldrum.errors import DatasetNotFoundError
from doldrum.progress import progress_bar

__all__ = ["fetch_gzip"]

_CHUNK = 1 << 16


def fetch_gzip(url: str, target: Path, *, sha256: str, size_limit: int = 1 << 30) -> Path:
    """Download a gzipped file to `target`, with a progress bar; it appears only when its content's SHA-256 is right.

    The content is checked, not the archive: mirrors pack the same bytes differently.

    Raises DatasetNotFoundError when the address does not answer, or what comes is not the published file.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f"{target.name}.{os.getpid()}.part")
    digest, unpack, got = hashlib.sha256(), zlib.decompressobj(wbits=31), 0
    try:
        with urllib.request.urlopen(url, timeout=30) as answer, partial.open("wb") as file:
            total = int(answer.headers.get("Content-Length") or 0)
            with progress_bar(f"downloading {target.name}", total) as advance:
                while chunk := answer.read(_CHUNK):
                    content = unpack.decompress(chunk, size_limit + 1)
                    got += len(content)
                    if got > size_limit or unpack.unconsumed_tail:
                        raise DatasetNotFoundError(f"expected at most {size_limit} bytes from {url}, got more")
                    digest.update(content)
                    file.write(chunk)
                    advance(len(chunk))
        if digest.hexdigest() != sha256:
            raise DatasetNotFoundError(
                f"expected SHA-256 {sha256} for {target.name}, got {digest.hexdigest()} from {url}; "
                "fetch the file by hand and check it"
            )
        os.replace(partial, target)
    except DatasetNotFoundError:
        raise
    except (OSError, zlib.error) as error:
        raise DatasetNotFoundError(f"expected {target.name} from {url}, got {error}; check the connection") from error
    finally:
        partial.unlink(missing_ok=True)
    return target
