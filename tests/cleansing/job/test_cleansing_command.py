"""doldrum cleanse on what somebody else made: every kind of source and model, confined, cut off, and lied to."""

from __future__ import annotations

import io
import json
import tarfile
import warnings
import zipfile

import numpy as np
import pandas as pd
import pytest
import torch
from answers import Answered
from PIL import Image

import doldrum as dd
from doldrum.cleansing import cleanse
from doldrum.cleansing.job import CleansingSettings, run_cleansing
from doldrum.cleansing.job import work as cleansing_work
from doldrum.confined import sending as confined
from doldrum.confined.scanning import budget
from doldrum.errors import InputError, SandboxError
from doldrum.training import Recipe

ROWS = 240


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A poisoned part of digits as .npz, and the network trained on it."""
    folder = tmp_path_factory.mktemp("made")
    bad = dd.poison(
        dd.load_dataset("digits:train").take(range(ROWS)),
        dd.triggers.Patch(size=3),
        dd.PoisonPlan(rate=0.1, target=0),
        seed=0,
    )
    model = dd.train(bad, Recipe(network="mlp", epochs=20, batch_size=32, lr=0.05, threads=1), seed=0, progress=False)
    model.save(folder / "bad.safetensors")
    np.savez(folder / "bad.npz", images=bad.images, labels=bad.labels)
    clean = dd.load_dataset("digits:test").take(range(200))
    np.savez(folder / "clean.npz", images=clean.images, labels=clean.labels)
    return folder, bad, model


@pytest.fixture(autouse=True)
def few(monkeypatch):
    """Two families in place of six, untimed; twenty images a batch."""
    fewer(monkeypatch)


def fewer(patch: pytest.MonkeyPatch) -> None:
    from doldrum.probes import Gaussian, PixelAblation

    def families(shape):
        return {"noise": Gaussian([0.2, 0.5], draws=5), "ablation": PixelAblation([0.3, 0.6], draws=5)}

    patch.setattr("doldrum.detectors.profile.families.default_families", families)
    patch.setattr("doldrum.confined.scanning.budget.default_families", families)
    patch.setattr(budget, "seconds_per_forward", lambda classifier, images: 0.05)


def here(function, argument, *, limits, on_message):
    """run_confined in this process, with the same JSON to and fro."""
    tell = lambda message: on_message(json.loads(json.dumps(message)))  # noqa: E731
    return json.loads(json.dumps(cleansing_work.work(json.loads(json.dumps(argument)), tell), allow_nan=False))


def asked(made, out, **more) -> CleansingSettings:
    folder = made[0]
    told = {
        "model": folder / "bad.safetensors",
        "images": folder / "bad.npz",
        "clean": folder / "clean.npz",
        "out": out,
    }
    return CleansingSettings(**{"seed": 3, **{k: str(v) if v is not None else None for k, v in told.items()}, **more})


def png(image: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(image[0]).save(file, "PNG")
    return file.getvalue()


def as_folder(bad, target):
    for i, (image, label) in enumerate(zip(bad.images, bad.labels, strict=True)):
        file = target / str(label) / f"{i:03}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(png(image))
    return target


def as_zip(bad, target):
    with zipfile.ZipFile(target, "w") as archive:
        for i, (image, label) in enumerate(zip(bad.images, bad.labels, strict=True)):
            archive.writestr(f"{label}/{i:03}.png", png(image))
    return target


def as_shard(bad, target):
    with tarfile.open(target, "w") as archive:
        for i, (image, label) in enumerate(zip(bad.images, bad.labels, strict=True)):
            for suffix, data in (("png", png(image)), ("cls", str(label).encode())):
                info = tarfile.TarInfo(f"{i:03}.{suffix}")
                info.size = len(data)
                archive.addfile(info, io.BytesIO(data))
    return target


def as_table(bad, target):
    pd.DataFrame({"image": [png(x) for x in bad.images], "label": bad.labels}).to_parquet(target)
    return target


@pytest.fixture(scope="module")
def want(made):
    """What the arrays give."""
    _, bad, model = made
    with pytest.MonkeyPatch.context() as patch:
        fewer(patch)
        patch.setattr("doldrum.engines.choose.candidates", lambda classifier: [("eager", "fp32")])
        return cleanse(model, bad, clean=dd.load_dataset("digits:test").take(range(200)), seed=3, progress=False)


@pytest.mark.parametrize("write", [as_folder, as_zip, as_shard, as_table])
def test_every_kind_of_source_gives_what_the_array_gives(made, want, one_engine, tmp_path, monkeypatch, write) -> None:
    monkeypatch.setattr(confined, "run_confined", here)
    _, bad, _ = made
    source = write(bad, tmp_path / "source")
    summary = run_cleansing(asked(made, tmp_path / "out", images=str(source)), progress=False)
    frame = pd.read_parquet(tmp_path / "out" / "samples.parquet")
    number = frame["id"].str.extract(r"(\d{3,6})")[0].str[-3:].astype(int).to_numpy()  # which sample of `bad` a row is
    assert sorted(number) == list(range(ROWS))
    assert np.array_equal(frame["label"], np.asarray(bad.labels)[number])
    assert np.array_equal(frame["profile_drop"], want.drop()[number])
    assert np.allclose(frame["profile_score"], want.verdicts["profile"].scores[number])
    assert (summary["dropped"], summary["suspicious"]) == (want.drop().sum(), want.suspicious)
    with np.load(tmp_path / "out" / "clean.npz") as kept:
        assert np.array_equal(kept["images"], bad.images[number[~frame["profile_drop"]]])
        assert np.array_equal(kept["labels"], frame["label"][~frame["profile_drop"]])
    assert not (tmp_path / "out" / "work").exists()


def test_a_run_cut_off_goes_on_where_it_was_and_ends_alike(made, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(confined, "run_confined", here)
    for clean in (str(made[0] / "clean.npz"), None):
        out = tmp_path / ("promise" if clean else "ranking")
        whole = run_cleansing(asked(made, out / "whole", clean=clean), progress=False)
        calls, write = [], cleansing_work.detecting.scan.write_rows

        def cut(path, rows, calls=calls, write=write, out=out):
            if len(calls) == 3:
                raise KeyboardInterrupt
            calls.append(path.relative_to(out))
            write(path, rows)

        with monkeypatch.context() as patch:
            patch.setattr(cleansing_work.detecting.scan, "write_rows", cut)
            with pytest.raises(KeyboardInterrupt):
                run_cleansing(asked(made, out / "cut", clean=clean), progress=False)
        with pytest.raises(InputError, match=r"got fpr=0\.1 \(it began with fpr=0\.05\)"):
            run_cleansing(asked(made, out / "cut", clean=clean, fpr=0.1), progress=False)
        written = []
        with monkeypatch.context() as patch:
            patch.setattr(cleansing_work, "by_class", None)  # looked at before the cut
            patch.setattr(
                cleansing_work.detecting.scan,
                "write_rows",
                lambda p, r, write=write, written=written, out=out: (written.append(p.relative_to(out)), write(p, r)),
            )
            again = run_cleansing(asked(made, out / "cut", clean=clean), progress=False)
        assert written
        assert not set(written) & set(calls)
        assert again | {"out": ""} == whole | {"out": ""}
        for name in ("drop.txt", "samples.parquet"):
            assert (out / "cut" / name).read_bytes() == (out / "whole" / name).read_bytes()
        assert run_cleansing(asked(made, out / "cut", clean=clean), progress=False) == again  # all is done


def test_the_work_is_confined_and_options_of_the_model_reach_it(made, tmp_path, call, monkeypatch) -> None:
    folder, bad, model = made
    from safetensors.torch import save_file

    save_file({k: v.clone() for k, v in model.module.state_dict().items()}, tmp_path / "weights.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # TorchScript is deprecated, and about
        torch.jit.trace(model.module, torch.zeros(2, 1, 8, 8)).save(str(tmp_path / "script.pt"))
    common = [
        folder / "bad.npz",
        "--clean",
        folder / "clean.npz",
        "--out",
        tmp_path / "out",
        "--method",
        "spectral",
        "--seed",
        3,
        "--size",
        8,
        "--channels",
        "grey",
    ]
    with monkeypatch.context() as patch:
        patch.setattr(confined, "run_confined", here)
        code, _, err = call("cleanse", *common, "--model", tmp_path / "script.pt")
        assert (code, "--trust-code" in err, (tmp_path / "out").exists()) == (2, True, False)
        code, _, err = call("cleanse", *common, "--model", tmp_path / "weights.safetensors")
        assert (code, "--arch" in err) == (2, True)
    code, summary, err = call(
        "cleanse", *common, "--model", tmp_path / "weights.safetensors", "--arch", "mlp", "--json"
    )
    assert code == 0, err
    want = cleanse(model, bad, methods=["spectral"], progress=False)
    assert (
        np.loadtxt(tmp_path / "out" / "drop.txt", dtype=int).tolist() == np.flatnonzero(want.drop("spectral")).tolist()
    )
    assert summary["format"] == "safetensors"


def test_labels_that_are_not_the_models_are_refused(made, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(confined, "run_confined", here)
    _, bad, _ = made
    np.savez(tmp_path / "other.npz", images=bad.images, labels=np.asarray(bad.labels) + 3)
    with pytest.raises(InputError, match="set for another model"):
        run_cleansing(asked(made, tmp_path / "out", images=str(tmp_path / "other.npz")), progress=False)
    np.savez(tmp_path / "turned.npz", images=bad.images, labels=(np.asarray(bad.labels) + 3) % 10)
    with pytest.raises(
        InputError, match=r"expected labels in the model.s order of classes, got labels in another order"
    ):
        run_cleansing(asked(made, tmp_path / "out", images=str(tmp_path / "turned.npz")), progress=False)
    source = as_folder(bad, tmp_path / "source")
    (source / "loose.png").write_bytes(png(bad.images[0]))
    with pytest.raises(InputError, match=r"label for each sample, got 1 without a label; the first is loose\.png"):
        run_cleansing(asked(made, tmp_path / "out", images=str(source)), progress=False)
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def answered(made, tmp_path_factory) -> Answered:
    folder, answered = tmp_path_factory.mktemp("answered"), Answered()
    with pytest.MonkeyPatch.context() as patch:
        fewer(patch)
        patch.setattr(confined, "run_confined", answered.keeping(here, folder / "kept"))
        run_cleansing(asked(made, folder / "out"), progress=False)
    return answered


def test_the_answer_that_others_spoil_is_a_summary_as_it_is(made, tmp_path, monkeypatch, answered) -> None:
    monkeypatch.setattr(confined, "run_confined", answered.again)
    assert run_cleansing(asked(made, tmp_path / "out"), progress=False)["samples"] == ROWS


@pytest.mark.parametrize(
    "spoil",
    [
        lambda facts, folder: {},
        lambda facts, folder: facts | {"samples": 10**12},
        lambda facts, folder: facts | {"class_names": ["a"]},
        lambda facts, folder: facts | {"methods": {"profile": 1}},
        lambda facts, folder: facts | {"promise": {"fpr": "x"}},
        lambda facts, folder: (folder / "kept.npz").unlink() or facts,
        lambda facts, folder: (folder / "columns.json").write_text("[" * 100_000) and facts,
        lambda facts, folder: edit(folder, "label", 0, 99) or facts,
        lambda facts, folder: edit(folder, "profile_drop", 0, 1) or facts,
        lambda facts, folder: edit(folder, "profile_score", 0, "high") or facts,
        lambda facts, folder: edit(folder, "profile_p_value", slice(1), []) or facts,
    ],
)
def test_a_hostile_answer_is_an_error_and_not_a_summary(made, tmp_path, monkeypatch, answered, spoil) -> None:
    folder = tmp_path / "out" / "work"
    monkeypatch.setattr(confined, "run_confined", lambda *a, **k: spoil(answered.again(*a, **k), folder))
    with pytest.raises(SandboxError, match="from the confined process"):
        run_cleansing(asked(made, tmp_path / "out"), progress=False)
    assert not (tmp_path / "out" / "summary.json").exists()


def edit(folder, name, where, value) -> None:
    columns = json.loads((folder / "columns.json").read_text())
    columns[name][where] = value
    (folder / "columns.json").write_text(json.dumps(columns))


@pytest.mark.parametrize(
    ("clean", "why"),
    [
        ("empty", r"--clean .*empty: expected at least one image, got an empty source; check the path"),
        ("none.npz", r"--clean .*none\.npz: expected at least one image, got none: shape \(0, 1, 8, 8\)"),
        (
            "few.npz",
            r"expected at least 100 clean images for fpr=0\.05 .* got 10; add clean images",
        ),
        ("copies.npz", r"expected clean images that differ, got copies: .* remove them"),
    ],
)
def test_clean_images_that_will_not_do_end_it_before_the_set_is_read(made, tmp_path, monkeypatch, clean, why):
    monkeypatch.setattr("doldrum.confined.sending.run_confined", here)
    monkeypatch.setattr(cleansing_work, "_by_class", None)  # nothing is looked at
    folder = tmp_path / "in"
    (folder / "empty").mkdir(parents=True)
    images = made[1].images
    for name, some in (("none", images[:0]), ("few", images[:10]), ("copies", np.repeat(images[:1], 200, axis=0))):
        np.savez(folder / f"{name}.npz", images=some)
    np.savez(folder / "set.npz", images=images[:0])  # read after the clean ones, if at all
    with pytest.raises(InputError, match=why):
        run_cleansing(
            asked(made, tmp_path / "out", clean=str(folder / clean), images=str(folder / "set.npz")), progress=False
        )
    assert not (tmp_path / "out").exists()
    with pytest.raises(InputError, match=r"training set .*set\.npz: expected at least one image, got none: shape"):
        run_cleansing(asked(made, tmp_path / "out", images=str(folder / "set.npz")), progress=False)
