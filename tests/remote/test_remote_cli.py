"""doldrum calibrate, measure and scan with images and results at addresses."""

from __future__ import annotations

import errno
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import s3fs
from linear_onnx import linear_onnx
from s3_server import KEY, SECRET, enforce
from shard_sample import tar_of

from doldrum.networks import build
from doldrum.remote import addressed
from doldrum.training import save_checkpoint

IMAGES = np.random.default_rng(3).integers(0, 256, (330, 1, 8, 8), dtype=np.uint8)


@pytest.fixture
def there(s3, bucket, tmp_path, monkeypatch) -> str:
    """A bucket with clean and new images, and here a model and a detector of them."""
    monkeypatch.chdir(tmp_path)
    linear_onnx(tmp_path / "m.onnx")
    s3.client.put_object(Bucket=bucket, Key="clean/a.tar", Body=tar_of(IMAGES[:150]))
    s3.client.put_object(Bucket=bucket, Key="clean/b.tar", Body=tar_of(IMAGES[150:230]))
    for i in range(4):
        s3.client.put_object(Bucket=bucket, Key=f"new/s-{i}.tar", Body=tar_of(IMAGES[230 + 25 * i : 255 + 25 * i]))
    return f"s3://{bucket}"


def test_from_calibrate_to_scan_at_addresses(s3, bucket, there, call, tmp_path) -> None:
    settings = ("--detector", "max-softmax", "--fpr", "0.05", "--seed", 1, "--json")
    code, summary, err = call("calibrate", "m.onnx", f"{there}/clean", *settings, "--out", "guard.doldrum")
    assert code == 0, err
    assert summary["calibration"] == 115
    np.save("clean.npy", IMAGES[:230])
    code, _, err = call("calibrate", "m.onnx", "clean.npy", *settings, "--out", "here.doldrum")
    assert code == 0, err
    words = ("scan", "m.onnx", f"{there}/new/s-{{0..3}}.tar", "--detector", "guard.doldrum", "--json")
    code, found, err = call(*words, "--out", f"{there}/out")
    assert code in (0, 3), err
    assert (found["inputs"], found["out"], found["complete"]) == (100, f"{there}/out", True)
    objects = {k: v for k, v in s3.objects(bucket).items() if k.startswith("out/")}
    assert json.loads(objects["out/manifest.json"])["flagged"] == found["flagged"]
    rows = pd.concat(pd.read_parquet(io.BytesIO(objects[f"out/s-{i}.tar.parquet"])) for i in range(4))
    np.save("new.npy", IMAGES[230:])
    assert call("scan", "m.onnx", "new.npy", "--detector", "guard.doldrum", "--out", "here")[0] == code
    here = pd.read_parquet("here/part-00000.parquet")
    assert rows["score"].tolist() == here["score"].tolist()
    assert rows["p_value"].tolist() == here["p_value"].tolist()
    # one that is gone is named, the others are done, and no secret is anywhere
    s3.client.delete_object(Bucket=bucket, Key="new/s-2.tar")
    code, out, err = call(*words, "--out", "by-shard")
    assert code == 1
    assert f"could not read s-2.tar: expected a file or folder at {there}/new/s-2.tar, got nothing there" in err
    assert "expected 4 readable shards, got 1 shard that could not be read" in err
    assert out["inputs"] == 75
    signed = s3.client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "new/s-0.tar"})
    code, out, err = call("scan", "m.onnx", signed, "--detector", "guard.doldrum", "--out", "signed", "--json")
    assert out["inputs"] == 25
    assert out["images"].endswith("/new/s-0.tar?…")
    code, _, err2 = call("measure", "m.onnx", signed, "--draws", 3, "--out", "measured")
    assert code == 0, err2
    written = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()]
    told = "".join([err, err2, json.dumps(out)])
    for secret in (KEY, SECRET, "Signature="):
        assert secret not in told
        assert not any(secret.encode() in data for data in written)


def test_what_goes_wrong_is_one_line_with_its_exit_code_and_no_secret(
    s3, bucket, there, call, monkeypatch, tmp_path
) -> None:
    """Nobody there, wrong credentials, some that end while it writes, a shard that changes, a full disk: what is done is kept, and the same command ends it."""
    monkeypatch.setattr(addressed, "_S3", {"config_kwargs": {"retries": {"mode": "standard", "max_attempts": 1}}})
    shape = {"input_shape": (1, 8, 8), "num_classes": 4}
    save_checkpoint(Path("m.safetensors"), build("mlp", **shape), {"network": "mlp", **shape})  # opened in a moment
    settings = ("--detector", "max-softmax", "--fpr", "0.05", "--seed", 1, "--out", "guard.doldrum")
    assert call("calibrate", "m.safetensors", f"{there}/clean", *settings)[0] == 0
    words, out, told = (
        ("scan", "m.safetensors", f"{there}/new", "--detector", "guard.doldrum", "--out"),
        f"{there}/out",
        [],
    )

    def scan(to: str = out) -> tuple[int, str, list[str]]:
        s3fs.S3FileSystem.clear_instance_cache()
        code, _, err = call(*words, to)
        told.append(err)
        enforce(s3, False)
        made = [k.removeprefix("out/") for k in s3.objects(bucket) if k.startswith("out/") and k.endswith(".parquet")]
        return code, err.splitlines()[-1], made

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    code, line, _ = scan()
    assert (code, line.partition(", got")[0]) == (1, f"doldrum: expected an answer from {there}/new/")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3.address)
    enforce(s3, True)
    code, line, _ = scan()
    assert (code, line.partition(", got")[0]) == (2, f"doldrum: expected access to {there}/new/")
    assert line.endswith("check the credentials, and what they allow")

    put, at = addressed.AddressedStore.put, addressed.AddressedStore.fetched

    def denied(self, name, data):
        if name.startswith("s-2"):
            enforce(s3, True)
        try:
            put(self, name, data)
        finally:
            enforce(s3, False)

    monkeypatch.setattr(addressed.AddressedStore, "put", denied)
    code, line, made = scan()
    assert (code, line.partition(", got")[0]) == (2, f"doldrum: expected access to {out}/s-2.tar.parquet")
    assert made == ["s-0.tar.parquet", "s-1.tar.parquet"]
    monkeypatch.setattr(addressed.AddressedStore, "put", put)

    def changed(self, name, folder):
        path = at(self, name, folder)
        if name == "s-2.tar":
            s3.client.put_object(Bucket=bucket, Key=f"new/{name}", Body=tar_of(IMAGES[:5]))
        return path

    monkeypatch.setattr(addressed.AddressedStore, "fetched", changed)
    code, line, made = scan()
    assert f"could not read s-2.tar: expected the shard {there}/new/s-2.tar to stay unchanged (ETag" in told[-1]
    assert (code, "expected 4 readable shards, got 1 shard that could not be read" in line) == (1, True)
    assert made == ["s-0.tar.parquet", "s-1.tar.parquet", "s-3.tar.parquet"]
    monkeypatch.setattr(addressed.AddressedStore, "fetched", at)

    def full(draft, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_bytes", full)
        code, line, _ = scan("here")
    assert (code, "expected space on the disk, got a full disk" in line) == (1, True)
    assert scan()[0] in (0, 3)
    written = [p.read_bytes() for p in tmp_path.rglob("*") if p.is_file()] + list(s3.objects(bucket).values())
    for secret in (KEY, SECRET):
        assert secret not in "".join(told)
        assert not any(secret.encode() in data for data in written)


CANNOT = [
        (("{there}/new", "--limit", 5, "--out", "o"), 2, "expected no --limit with shards"),
        (("{there}/new", "--sarif", "x.sarif", "--out", "o"), 2, "expected images in files and folders with --sarif and --junit"),
        (("{there}/none", "--out", "o"), 2, "got nothing there; check the address"),
        (("s3://no-such-bucket/x", "--out", "o"), 2, "got nothing there; check the address"),
        (("{there}/new", "--out", "s3://no-such-bucket/o"), 2, "got nothing there; check the address"),
        (("{there}/new", "--out", "https://u:hunter22@127.0.0.1/o"), 2, "https can't be written to; name a folder or another address with --out"),
        (("https://u:hunter22@127.0.0.1:1/a.tar?sig=hunter22", "--out", "o"), 1, "expected an answer from https://127.0.0.1:1"),
]  # fmt: skip


def test_what_cannot_work_is_said(there, call) -> None:
    shape = {"input_shape": (1, 8, 8), "num_classes": 4}
    save_checkpoint(Path("m.safetensors"), build("mlp", **shape), {"network": "mlp", **shape})  # opened in a moment
    np.save("clean.npy", IMAGES[:60])
    settings = ("--detector", "max-softmax", "--fpr", "0.05", "--out", "guard.doldrum")
    assert call("calibrate", "m.safetensors", "clean.npy", *settings)[0] == 0
    for words, code, said in CANNOT:
        words = [w.format(there=there) if isinstance(w, str) else w for w in words]
        got, _, err = call("scan", "m.safetensors", *words, "--detector", "guard.doldrum")
        assert said in err
        assert got == code, err
        assert "hunter22" not in err
