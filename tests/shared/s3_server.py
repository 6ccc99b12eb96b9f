"""An S3 server on this machine, in a process of its own: moto's, on a free port."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["KEY", "S3", "SECRET", "enforce", "s3_server"]

KEY, SECRET = "testkeytestkey", "verysecretverysecret"
_SERVE = """
import sys
from moto.server import main
main(["-H", "127.0.0.1", "-p", sys.argv[1]])
"""


class S3:
    """The server's address, and a client of botocore's to look behind the scenes."""

    def __init__(self, address: str) -> None:
        import botocore.session

        self.address = address
        self.client: Any = botocore.session.get_session().create_client(
            "s3", endpoint_url=address, aws_access_key_id=KEY, aws_secret_access_key=SECRET, region_name="us-east-1"
        )

    def environment(self) -> dict[str, str]:
        """What a process needs to find it."""
        return {
            "AWS_ENDPOINT_URL": self.address, "AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_DEFAULT_REGION": "us-east-1", "AWS_EC2_METADATA_DISABLED": "true",
        }  # fmt: skip

    def objects(self, bucket: str) -> dict[str, bytes]:
        pages = self.client.get_paginator("list_objects_v2").paginate(Bucket=bucket)
        names = [found["Key"] for page in pages for found in page.get("Contents", [])]
        return {name: self.client.get_object(Bucket=bucket, Key=name)["Body"].read() for name in names}


def enforce(s3: S3, really: bool) -> None:
    """Have the server look at who asks, or not: it knows nobody."""
    count, kind = b"0" if really else b"1000000000", {"Content-Type": "text/plain"}
    asked = urllib.request.Request(f"{s3.address}/moto-api/reset-auth", data=count, headers=kind, method="POST")
    urllib.request.urlopen(asked).read()


@contextmanager
def s3_server() -> Iterator[S3]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ},
    )
    try:
        _wait(port, process)
        yield S3(f"http://127.0.0.1:{port}")
    finally:
        process.kill()
        process.wait()


def _wait(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        assert process.poll() is None, "moto's server ended"
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("moto's server did not start")
