"""run_audit: the promise, the verdict, ranking, refusals, and what a hostile answer comes to."""

from __future__ import annotations

import dataclasses
import json
import re

import numpy as np
import pandas as pd
import pytest
from audit_material import here, settings

from doldrum.audit import run_audit, work
from doldrum.confined import folder
from doldrum.confined import sending as confined
from doldrum.errors import InputError, SandboxError
from doldrum.records.audit import AuditRecord
from doldrum.repairing.job.found import read_explanation
from doldrum.stats.conformal import flags_interval
from doldrum.triggers import trigger_from_dict


@pytest.fixture(autouse=True)
def _near(near):
    pass


def test_a_trigger_is_flagged_and_its_class_is_named(material, tmp_path):
    bad = material.triggered(slice(900, 940))
    mixed = np.concatenate([material.images[600:900], bad])
    asked = settings(material, tmp_path, material.images[:600], mixed, fpr=0.05, explain=4)
    said = []
    record = run_audit(asked, say=said.append)
    rows = pd.read_parquet(tmp_path / "out" / "rows.parquet")
    assert record.verdict["exit_code"] == 3
    assert record.flags["count"] == rows["flag"].sum()
    assert rows["flag"][300:].mean() > 0.6
    assert rows["flag"][:300].mean() < 0.1
    assert record.concentration["label"] == 0
    assert record.concentration["p_value"] < 1e-6
    assert record.concentration["flagged"] == (rows["flag"] & (rows["label"] == 0)).sum()
    assert "class 0" in " ".join(record.verdict["sentences"])
    assert record == AuditRecord.load(tmp_path / "out" / "record.json")
    assert not (tmp_path / "out" / "work").exists()
    # the most suspicious flagged images are explained: the patch is a region of theirs
    explanations = record.explanations
    assert len(explanations.explained) == 4
    assert explanations.proven >= 3
    assert {one.kind for one in explanations.explained if one.proven} == {"region"}
    assert any(s.startswith("A trigger is proven in") for s in record.verdict["sentences"])
    assert (tmp_path / "out" / "explanations" / "000-image.png").is_file()
    # and repair takes what is proven from there
    found, best = read_explanation(tmp_path / "out" / "explanations", model=material.model), explanations.best
    assert (found.target, found.source, found.searched) == (0, best.scope, best.searched)
    made = trigger_from_dict(found.trigger)(np.full((1, 1, 8, 8), 0.5, np.float32))
    assert (made != 0.5).sum() == best.where["height"] * best.where["width"]
    with pytest.raises(InputError, match="the folder of an audit; use the explanation in this folder"):
        read_explanation(tmp_path / "out", model=material.model)
    ranked = rows[rows["flag"]].sort_values(["p_value", "score"], ascending=[True, False])
    assert [one.image for one in explanations.explained] == ranked["id"].tolist()[:4]
    # what each condition gave back adds up to the draws, and the kept share is that of the label
    draws = [2] * 6 + [3] * 4 + [2] * 2 + [3, 4, 14, 8, 3, 3]
    for _, row in rows.iloc[::50].iterrows():
        back = json.loads(row["came_back"])
        assert [sum(n for _, n in one) for one in back] == draws
        assert row["kept"].tolist() == pytest.approx(
            [dict(one).get(row["label"], 0) / n for one, n in zip(back, draws, strict=True)], abs=1e-4
        )
    assert sum(len(f["strengths"]) for f in record.band) == len(draws)
    assert any(
        re.match(
            r"The model is run \d+ times for each of [\d,]+ images\. At [\d,]+ forward passes per second, the run takes about",
            s,
        )
        for s in said
    )
    pictures = sorted(p.name for p in (tmp_path / "out" / "pictures").iterdir())
    assert len([p for p in pictures if "noisy" not in p]) == 200 == rows["picture"].notna().sum()
    assert rows["picture"][rows["flag"]].notna().all()
    assert run_audit(asked) == record  # all is done: nothing is scanned again


def test_pictures_are_the_images(material, tmp_path):
    from PIL import Image

    run_audit(settings(material, tmp_path, material.images[:200], material.images[200:260], small=True))
    rows = pd.read_parquet(tmp_path / "out" / "rows.parquet")
    for i, name in enumerate(rows["picture"]):
        assert (np.asarray(Image.open(tmp_path / "out" / "pictures" / name)) == material.images[200 + i, 0]).all()
    noisy = np.asarray(Image.open(tmp_path / "out" / "pictures" / "00007-noisy-0.1.png")).astype(float) / 255
    plain = material.images[207, 0] / 255
    inside = (plain > 0.4) & (plain < 0.6)  # elsewhere the copy is clipped to be shown
    assert 0.04 < np.std((noisy - plain)[inside]) < 0.2


def test_the_promise_holds_over_random_splits(material, tmp_path, monkeypatch):
    monkeypatch.setattr(work, "_pixels", lambda *args: None)  # 600 files an audit
    rng, inside, flags, scanned = np.random.default_rng(5), 0, 0, 0
    for k in range(6):
        order = rng.permutation(len(material.images))
        asked = settings(
            material,
            tmp_path / str(k),
            material.images[order[:200]],
            material.images[order[200:350]],
            fpr=0.05,
            seed=k,
            small=True,
        )
        record = run_audit(asked)
        low, high = flags_interval(150, record.promise["num_calibration"], 0.05)
        inside += low <= record.flags["count"] <= high
        flags, scanned = flags + record.flags["count"], scanned + 150
    assert inside >= 4  # of 6 at 95%: fewer have a chance of .002
    assert 0.03 < flags / scanned < 0.07


def test_clean_images_pass_and_the_model_is_not_cleared(material, tmp_path):
    record = run_audit(
        settings(material, tmp_path, material.images[:400], material.images[400:700], seed=3, small=True)
    )
    assert record.verdict["exit_code"] == 0
    assert "This result does not mean that the model is clean" in " ".join(record.verdict["sentences"])


# Beyond 1,000 some are not among those that the others are held against. The larger the triggered share, the worse the order.
@pytest.mark.parametrize(("count", "least"), [(400, 0.65), (1300, 0.8)])
def test_without_clean_images_it_ranks(material, tmp_path, count, least):
    from sklearn.metrics import roc_auc_score

    bad = material.triggered(slice(0, 40))
    images = np.concatenate([material.images[40 : 40 + count], bad])
    asked = settings(material, tmp_path, None, images, small=True)
    record = run_audit(asked)
    rows = pd.read_parquet(tmp_path / "out" / "rows.parquet").sort_values("id", key=lambda s: s.astype(int))
    assert (record.verdict["exit_code"], record.promise, record.flags, record.clean) == (0, None, None, None)
    assert rows["p_value"].isna().all()
    assert not rows["flag"].any()
    scores = rows["score"].to_numpy()
    assert roc_auc_score(np.arange(len(images)) >= count, scores) > least
    assert len(rows) == len(images)


def test_too_few_clean_images_are_refused_with_the_number_needed(material, tmp_path):
    with pytest.raises(InputError, match=r"at least 149 clean images .* got 120.*fpr=0\.015"):
        run_audit(settings(material, tmp_path, material.images[:120], material.images[200:260]))
    with pytest.raises(InputError, match="at least 50 images to compare"):
        run_audit(settings(material, tmp_path / "b", None, material.images[:49]))


def test_a_budget_that_cannot_be_kept_is_refused(material, tmp_path):
    with pytest.raises(InputError, match="--budget of at least"):
        run_audit(settings(material, tmp_path, material.images[:200], material.images[200:300], budget=0.01))


def test_a_folder_of_something_else_is_refused(material, tmp_path):
    asked = settings(material, tmp_path, material.images[:200], material.images[200:260], small=True)
    run_audit(asked)
    with pytest.raises(InputError, match=r"began, got fpr=0.02 \(it began with fpr=0.01\); use the same"):
        run_audit(dataclasses.replace(asked, fpr=0.02))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("mine")
    with pytest.raises(InputError, match="holds something else"):
        run_audit(dataclasses.replace(asked, out=str(tmp_path / "mine")))
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


def test_a_folder_that_cannot_be_written_is_said_before_any_work(material, tmp_path, monkeypatch):
    asked = settings(material, tmp_path, material.images[:200], material.images[200:260], small=True)

    def refused(path, text):
        raise OSError(30, "Read-only file system", str(path))

    monkeypatch.setattr(folder, "write_text_whole", refused)
    monkeypatch.setattr(confined, "run_confined", None)
    with pytest.raises(
        InputError, match=r"expected a folder for --out that can be written, got .*\(Read-only file system\)"
    ):
        run_audit(asked)


def test_images_that_changed_are_not_gone_on_with(material, tmp_path, monkeypatch):
    asked = settings(material, tmp_path, material.images[:200], material.images[200:260], small=True)

    def cut(*args, **kwargs):
        here(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(confined, "run_confined", cut)
        with pytest.raises(KeyboardInterrupt):
            run_audit(asked)
    np.save(tmp_path / "images.npy", material.images[300:360])
    with pytest.raises(InputError, match="images that this run began with"):
        run_audit(asked)


@pytest.mark.parametrize("changed", ["images", "clean"])
def test_a_finished_audit_is_not_given_for_other_images(material, tmp_path, changed):
    asked = settings(material, tmp_path, material.images[:200], material.images[200:260], small=True)
    record = run_audit(asked)
    said = []
    assert run_audit(asked, say=said.append) == record
    assert "is already finished" in " ".join(said)
    np.save(tmp_path / f"{changed}.npy", material.images[300:560])
    with pytest.raises(InputError, match="images that this run began with, got images that differ"):
        run_audit(asked)


def test_a_folder_of_images_in_which_one_came_is_another(material, tmp_path):
    from PIL import Image

    (tmp_path / "inbox").mkdir()
    for i, image in enumerate(material.images[200:260]):
        Image.fromarray(image[0]).save(tmp_path / "inbox" / f"{i}.png")
    asked = settings(material, tmp_path, material.images[:200], material.images[200:261], small=True)
    asked = dataclasses.replace(asked, images=str(tmp_path / "inbox"))
    run_audit(asked)
    run_audit(asked)
    Image.fromarray(material.images[300][0]).save(tmp_path / "inbox" / "late.png")
    with pytest.raises(InputError, match="images that this run began with, got images that differ"):
        run_audit(asked)
    inside = dataclasses.replace(asked, out=str(tmp_path / "inbox" / "out"))
    with pytest.raises(InputError, match=r"--out outside of .*, which holds the images"):
        run_audit(inside)
    assert not (tmp_path / "inbox" / "out").exists()


def test_nothing_is_said_where_all_images_are_clean_ones(material, tmp_path):
    asked = settings(material, tmp_path, material.images[:200], material.images[:60], small=True)
    with pytest.raises(InputError, match="other than the clean ones, got 60 that are all copies of clean images"):
        run_audit(asked)


def test_images_that_were_called_clean_are_counted(material, tmp_path):
    record = run_audit(settings(material, tmp_path, material.images[:200], material.images[150:260], small=True))
    assert any("50 of the 110 images are copies of clean images" in s for s in record.verdict["sentences"])


def test_the_answer_that_others_spoil_is_a_report_as_it_is(material, tmp_path, monkeypatch, answered):
    asked = settings(material, tmp_path, material.images[:200], material.images[200:260], small=True)
    monkeypatch.setattr(confined, "run_confined", answered.again)
    assert run_audit(asked).images["scanned"] == 60


@pytest.mark.parametrize(
    "spoil",
    [
        lambda facts, folder: {},
        lambda facts, folder: [1],
        lambda facts, folder: facts | {"band": [{"name": "x"}]},
        lambda facts, folder: facts | {"images": facts["images"] | {"scanned": 10**12}},
        lambda facts, folder: facts | {"model": facts["model"] | {"class_names": ["a"]}},
        lambda facts, folder: facts | {"clean": facts["clean"] | {"accuracy": {"value": 7}}},
        lambda facts, folder: first(folder).unlink() or facts,
        lambda facts, folder: edit(folder, '"i":3', '"i":4') or facts,
        lambda facts, folder: edit(folder, '"label":', '"label":1e9,"x":') or facts,
        lambda facts, folder: edit(folder, '"kept":[', '"kept":[NaN,') or facts,
        lambda facts, folder: (folder / "pixels" / "00003.json").write_text('{"image": 1, "noisy": {}}') and facts,
        lambda facts, folder: (folder / "pixels" / "00003.json").write_text("[" * 100_000) and facts,
    ],
)
def test_a_hostile_answer_is_an_error_not_a_report(material, tmp_path, monkeypatch, answered, spoil):
    asked = settings(material, tmp_path, material.images[:200], material.images[200:260], small=True)
    folder = tmp_path / "out" / "work"
    monkeypatch.setattr(confined, "run_confined", lambda *a, **k: spoil(answered.again(*a, **k), folder))
    with pytest.raises(SandboxError, match="from the confined process"):
        run_audit(asked)
    assert not (tmp_path / "out" / "record.json").exists()


def first(folder):
    return min(folder.glob("rows-*.jsonl"))


def edit(folder, old, new):
    path = first(folder)
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
