"""Workers and Ray actors that are killed at random in the middle of a scan from S3 to S3: nothing is lost, nothing is there twice."""

from __future__ import annotations

import io
import os
import random
import signal
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import psutil
import pytest
from shard_sample import NEW, calibrated, tar_of

from doldrum.detectors.deploy import sharded
from doldrum.detectors.deploy.sharded import scan_shards

SHARDS = 5


def workers_here(ray: bool) -> list[int]:
    """The processes of this one that do jobs."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            words = " ".join(child.cmdline())
        except psutil.Error:
            continue
        if ("ray::_Actor" in words) if ray else ("spawn_main" in words and child.ppid() == os.getpid()):
            found.append(child.pid)
    return sorted(found)


@pytest.fixture
def killing(monkeypatch):
    """When the third shard is done, a worker of those that are at the others is killed."""
    chance, kills = random.Random(0), list[int]()

    def start(ray: bool) -> list[int]:
        done = [0]

        @contextmanager
        def bar(*_, **__):
            def advance(n: int) -> None:
                done[0] += n
                if done[0] == 3 and (there := workers_here(ray)):
                    kills.append(chance.choice(there))
                    os.kill(kills[-1], signal.SIGKILL)

            yield advance

        monkeypatch.setattr(sharded, "progress_bar", bar)
        return kills

    return start


@pytest.fixture
def instance(monkeypatch) -> None:
    """What a Ray instance that is started here hands on to its workers."""
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parents[1] / "shared"))
    monkeypatch.setenv("RAY_worker_niceness", "0")  # its default is 15: beside other work its workers get no turn


@pytest.mark.parametrize("spread", [{"workers": 2}, {"workers": 2, "ray": "local"}], ids=["processes", "ray"])
def test_killed_workers_lose_nothing_and_do_nothing_twice(s3, bucket, killing, instance, spread) -> None:
    for i in range(SHARDS):
        s3.client.put_object(
            Bucket=bucket, Key=f"in/s-{i:02d}.tar", Body=tar_of(NEW.images[10 * i : 10 * i + 10], 10 * i)
        )
    detector = calibrated(slow=True)
    kills = killing("ray" in spread)
    found = scan_shards(detector, f"s3://{bucket}/in", f"s3://{bucket}/out", **spread)
    assert len(kills) == 1
    assert found["complete"]
    there = {k: v for k, v in s3.objects(bucket).items() if k.startswith("out/")}
    assert sorted(there) == sorted(["out/manifest.json", *(f"out/s-{i:02d}.tar.parquet" for i in range(SHARDS))])
    parts = [pd.read_parquet(io.BytesIO(there[k])) for k in sorted(there) if k.endswith("parquet")]
    rows, direct = pd.concat(parts), detector.scan(NEW.take(range(10 * SHARDS)))
    assert rows["id"].tolist() == [f"s-{i // 10:02d}.tar/{i:06d}.png" for i in range(10 * SHARDS)]
    assert np.array_equal(rows["score"], direct.scores)
    assert np.array_equal(rows["p_value"], direct.p_values)
    assert (found["inputs"], found["flagged"]) == (10 * SHARDS, direct.num_flagged)
