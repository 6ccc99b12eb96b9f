"""Stores and scans against an S3 server."""

from __future__ import annotations

import errno
import io
import json
import sys
import tempfile

import numpy as np
import pandas as pd
import pytest
from s3_server import KEY, SECRET, enforce
from shard_sample import NEW, calibrated, tar_of

from doldrum.detectors.deploy import sharded
from doldrum.detectors.deploy.sharded import is_unfinished_at, scan_shards
from doldrum.errors import InputError, MissingExtraError, StorageError
from doldrum.measuring.collected import collect_images
from doldrum.remote import Shards, addressed, find_shards, store_of


@pytest.fixture(scope="module")
def detector():
    return calibrated()


@pytest.fixture
def source(s3, bucket) -> str:
    """130 images in five tars."""
    for i in range(5):
        data = tar_of(NEW.images[26 * i : 26 * i + 26], 26 * i)
        s3.client.put_object(Bucket=bucket, Key=f"in/s-{i:02d}.tar", Body=data)
    return f"s3://{bucket}/in/s-{{00..04}}.tar"


def results(s3, bucket: str, prefix: str = "out/") -> dict[str, bytes]:
    return {k.removeprefix(prefix): v for k, v in s3.objects(bucket).items() if k.startswith(prefix)}


def rows(found: dict[str, bytes]) -> pd.DataFrame:
    parts = [pd.read_parquet(io.BytesIO(v)) for k, v in sorted(found.items()) if k.endswith(".parquet")]
    return pd.concat(parts, ignore_index=True)


def test_a_store_lists_reads_and_writes(s3, bucket, tmp_path) -> None:
    store = store_of(f"s3://{bucket}/x")
    assert store.listed() == {}
    store.put("a/b.tar", b"abc")
    store.put("c", b"")
    assert [(name, held.size) for name, held in store.listed().items()] == [("a/b.tar", 3), ("c", 0)]
    assert store.held("a/b.tar") == store.listed()["a/b.tar"]
    assert (store.read("a/b.tar"), store.read("none")) == (b"abc", None)
    assert store.fetched("a/b.tar", tmp_path).read_bytes() == b"abc"
    tag = store.held("a/b.tar").tag
    store.put("a/b.tar", b"abd")
    assert store.held("a/b.tar").tag != tag
    assert [s.name for s in find_shards(f"s3://{bucket}/x/a/b.tar").shards] == ["b.tar"]
    for marker in ("made/", "made/in a console/"):
        s3.client.put_object(Bucket=bucket, Key=marker, Body=b"")
    assert store_of(f"s3://{bucket}/made").listed() == {}
    s3.client.put_object(Bucket=bucket, Key="made/a.tar", Body=b"abc")
    assert list(store_of(f"s3://{bucket}/made").listed()) == ["a.tar"]


def test_what_cannot_be_had_is_said_in_words(s3, bucket, monkeypatch) -> None:
    monkeypatch.setattr(addressed, "_S3", {"config_kwargs": {"retries": {"mode": "standard", "max_attempts": 1}}})
    store = store_of(f"s3://{bucket}/x")
    with pytest.raises(InputError, match=r"expected a file or folder at s3://bucket-\d+/x/none, got nothing there"):
        store.held("none")
    for call in (store_of("s3://no-such/x").listed, lambda: store_of("s3://no-such/x").put("a", b"")):
        with pytest.raises(InputError, match=r"expected a file or folder at s3://no-such/x/a?, got nothing there"):
            call()
    enforce(s3, True)
    try:
        with pytest.raises(InputError, match=r"expected access to s3://bucket-\d+/x/.*check the credentials") as denied:
            store.listed()
    finally:
        enforce(s3, False)
    assert KEY not in str(denied.value)
    assert SECRET not in str(denied.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises(StorageError, match=r"expected an answer from s3://.*check the address and the network"):
        store_of(f"s3://{bucket}/x").listed()
    with pytest.raises(InputError, match="expected an address that begins with s3://, gs:// or https://, got ftpx://"):
        store_of("ftpx://a/b").listed()


def test_a_scan_from_s3_to_s3_has_the_verdicts_of_one_here(s3, bucket, source, detector) -> None:
    found = scan_shards(detector, source, f"s3://{bucket}/out", progress=False)
    direct, there = detector.scan(NEW), results(s3, bucket)
    assert sorted(there) == ["manifest.json", *(f"s-{i:02d}.tar.parquet" for i in range(5))]
    got = rows(there)
    assert got["score"].tolist() == direct.scores.tolist()
    assert got["p_value"].tolist() == direct.p_values.tolist()
    assert (found["flagged"], found["inputs"]) == (direct.num_flagged, 130)
    assert json.loads(there["manifest.json"])["complete"]
    # the folder of the shards, by workers, and a second time
    assert scan_shards(detector, f"s3://{bucket}/in", f"s3://{bucket}/two", progress=False, workers=2) == {
        **found, "images": f"s3://{bucket}/in",
    }  # fmt: skip
    again = results(s3, bucket, "two/")
    assert {k: v for k, v in again.items() if k != "manifest.json"} == {
        k: v for k, v in there.items() if k != "manifest.json"
    }
    assert not is_unfinished_at(f"s3://{bucket}/two")


def test_results_do_not_become_shards_and_no_key_leads_out_of_a_folder(s3, bucket, source, detector, tmp_path) -> None:
    folder = f"s3://{bucket}/in"
    for out in (f"{folder}/out", folder, f"{folder}/"):
        with pytest.raises(InputError, match="expected --out outside of s3://"):
            scan_shards(detector, folder, out, progress=False)
    data = tar_of(NEW.images[:3])
    for key in ("in/../../up.tar", "in//tmp/absolute.tar", "in/" + "x" * 300 + ".tar"):
        s3.client.put_object(Bucket=bucket, Key=key, Body=data)
    found = scan_shards(detector, folder, tmp_path / "deep" / "out", progress=False)
    assert (found["inputs"], len(found["failed"])) == (130, 3)
    made = sorted(p.name for p in tmp_path.rglob("*") if p.is_file())
    assert made == ["manifest.json", *(f"s-{i:02d}.tar.parquet" for i in range(5))]
    # an address takes such names
    assert scan_shards(detector, folder, f"s3://{bucket}/out", progress=False)["inputs"] == 139


def test_a_shard_that_changes_underneath_is_named_and_done_the_next_time(
    s3, bucket, source, detector, monkeypatch
) -> None:
    real = addressed.AddressedStore.fetched

    def changed(self, name, folder):
        path = real(self, name, folder)
        if name == "s-02.tar":
            s3.client.put_object(Bucket=bucket, Key="in/s-02.tar", Body=tar_of(NEW.images[:5]))
        return path

    monkeypatch.setattr(addressed.AddressedStore, "fetched", changed)
    found = scan_shards(detector, source, f"s3://{bucket}/out", progress=False)
    assert [one["path"] for one in found["failed"]] == ["s-02.tar"]
    assert "got a changed shard (ETag" in found["failed"][0]["reason"]
    assert (found["inputs"], found["complete"]) == (104, False)
    assert is_unfinished_at(f"s3://{bucket}/out")
    monkeypatch.setattr(addressed.AddressedStore, "fetched", real)
    done: list[str] = []
    whole = sharded.ShardScan._done
    monkeypatch.setattr(sharded.ShardScan, "_done", lambda self, shard: done.append(shard.name) or whole(self, shard))
    found = scan_shards(detector, source, f"s3://{bucket}/out", progress=False)
    assert (found["inputs"], found["complete"], done) == (109, True, ["s-02.tar"])


def test_images_by_signed_address_and_no_signature_anywhere(s3, bucket, source, detector, tmp_path) -> None:
    signed = s3.client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "in/s-01.tar"})
    assert "Signature" in signed
    found = scan_shards(detector, signed, tmp_path / "out", progress=False)
    assert found["inputs"] == 26
    written = b"".join(p.read_bytes() for p in (tmp_path / "out").iterdir()) + json.dumps(found).encode()
    for secret in (signed.partition("?")[2], "Signature", KEY, SECRET):
        assert secret.encode() not in written
    wrong = signed.replace("s-01", "s-01-none")
    with pytest.raises((InputError, StorageError)) as error:
        scan_shards(detector, wrong, tmp_path / "other", progress=False)
    assert "Signature" not in str(error.value)


def test_images_are_collected_from_addresses(s3, bucket, source, tmp_path, monkeypatch) -> None:
    s3.client.put_object(Bucket=bucket, Key="in/s-01.tar", Body=b"broken")
    array = io.BytesIO()
    np.savez(array, images=NEW.images[:3])
    s3.client.put_object(Bucket=bucket, Key="in/z.npz", Body=array.getvalue())
    found = collect_images(f"s3://{bucket}/in", tmp_path, shape=(1, 8, 8), progress=False)
    assert len(found.ids) == 107
    assert (found[26:28] == NEW.images[52:54]).all()
    assert found.ids[0] == "s-00.tar/000000.png"
    assert [name for name, _ in found.skipped] == ["s-01.tar"]
    monkeypatch.setattr(Shards, "here", None)  # taken again: nothing is fetched
    assert collect_images(f"s3://{bucket}/in", tmp_path, shape=(1, 8, 8), progress=False).ids == found.ids


def test_a_full_disk_here_is_no_fault_of_the_address(s3, bucket, source, detector, monkeypatch) -> None:
    for name, told in (("/tmp/x", "/tmp/x"), (None, tempfile.gettempdir())):

        def full(*_, name=name, **__):
            raise OSError(errno.ENOSPC, "No space left on device", name)

        monkeypatch.setattr("s3fs.S3FileSystem.get_file", full)
        with pytest.raises(OSError, match="expected space on the disk, got a full disk") as error:
            scan_shards(detector, source, f"s3://{bucket}/out", progress=False)
        assert (error.value.errno, error.value.filename) == (errno.ENOSPC, told)
    assert is_unfinished_at(f"s3://{bucket}/out")


def test_a_library_that_is_absent_is_named(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    monkeypatch.delitem(sys.modules["fsspec.registry"]._registry, "s3", raising=False)
    with pytest.raises(
        MissingExtraError, match=r"expected the library 's3fs', got none; run: pip install 'doldrum\[urls\]'"
    ):
        store_of("s3://b/x").listed()
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(
        MissingExtraError, match=r"expected the library 'fsspec', got none; run: pip install 'doldrum\[urls\]'"
    ):
        store_of("s3://b/x").listed()
