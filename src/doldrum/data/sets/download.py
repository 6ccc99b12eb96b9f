"""Download a published file. The file is saved only if it is complete and has the right checksum."""

from __future__ import annotations

import hashlib
import http.client
import urllib.request
import zlib
from pathlib import Path

from doldrum.errors import DatasetNotFoundError
from doldrum.files import write_whole
from doldrum.progress import progress_bar

__all__ = ["fetch_gzip"]

_CHUNK = 1 << 16


def fetch_gzip(url: str, target: Path, *, sha256: str, size_limit: int = 1 << 30) -> Path:
    """Download a gzipped file to `target`, with a progress bar.

    The file appears only if the SHA-256 of its content is right.

    The unpacked content is checked, not the archive, because mirrors compress the same bytes differently.

    Raises DatasetNotFoundError if the address does not answer, or if the download is not the published file.
    """
    digest, unpack = hashlib.sha256(), zlib.decompressobj(wbits=31)

    def write(draft: Path) -> None:
        got = 0
        with urllib.request.urlopen(url, timeout=30) as answer, draft.open("wb") as file:
            said = answer.headers.get("Content-Length") or ""
            total = int(said) if said.isdigit() else 0
            with progress_bar(f"downloading {target.name}", total) as advance:
                while chunk := answer.read(_CHUNK):
                    content = unpack.decompress(chunk, size_limit + 1)
                    got += len(content)
                    if got > size_limit or unpack.unconsumed_tail:
                        raise DatasetNotFoundError(f"expected at most {size_limit} bytes from {url}, got more")
                    digest.update(content)
                    file.write(chunk)
                    advance(len(chunk))
        if not unpack.eof or unpack.unused_data:
            what = "more than one archive" if unpack.eof else "only a part of it"
            raise DatasetNotFoundError(f"expected {target.name} from {url}, got {what}; try again")
        if digest.hexdigest() != sha256:
            raise DatasetNotFoundError(
                f"expected SHA-256 {sha256} for {target.name}, got {digest.hexdigest()} from {url}; "
                "download the file yourself and check it"
            )

    try:
        return write_whole(target, write)
    except DatasetNotFoundError:
        raise
    except (OSError, ValueError, http.client.HTTPException, zlib.error) as error:
        raise DatasetNotFoundError(
            f"expected the file {target.name} from {url}, got the error: {error}; check the connection"
        ) from error
