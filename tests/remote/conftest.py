"""One S3 server for all tests here, and buckets of a test's own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from s3_server import S3, s3_server

_NUMBERS = itertools.count()


@pytest.fixture(scope="session")
def server() -> Iterator[S3]:
    with s3_server() as running:
        yield running


@pytest.fixture
def s3(server, monkeypatch) -> Iterator[S3]:
    """The server as this process finds it; its clients are new ones."""
    import s3fs

    for name, value in server.environment().items():
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem.clear_instance_cache()
    yield server
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture
def bucket(s3) -> str:
    name = f"bucket-{next(_NUMBERS)}"
    s3.client.create_bucket(Bucket=name)
    return name
