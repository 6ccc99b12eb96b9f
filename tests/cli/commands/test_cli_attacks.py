"""doldrum attacks, poison, train, evaluate: as a user meets them."""

from __future__ import annotations

import contextlib
import json
import sys

import numpy as np
import pytest

import doldrum as dd
from doldrum.attacks import ATTACKS, HiddenString, load_trigger, train_encoder
from doldrum.cli.attack_files import read_attack, read_poisoned

MLP = ("--recipe", "digits-mlp")


@pytest.fixture(autouse=True)
def short_recipe(monkeypatch):
    from doldrum.training import RECIPES, Recipe

    monkeypatch.setitem(RECIPES, "digits-mlp", Recipe(network="mlp", epochs=4, batch_size=64, lr=0.05, threads=1))


def test_attacks_lists_every_attack(call) -> None:
    code, rows, _ = call("attacks", "--json")
    assert code == 0
    assert [row["id"] for row in rows] == list(ATTACKS)
    assert all({"id", "title", "paper", "threat_model", "settings", "note"} == set(row) for row in rows)
    code, text, _ = call("attacks")
    assert code == 0
    assert "adap-blend" in text


def test_a_poisoned_file_holds_what_poison_gives_and_no_pickle(call, tmp_path) -> None:
    out = tmp_path / "bad.npz"
    code, summary, err = call("poison", "digits", "--attack", "badnets", "--rate", 0.1, "--target", 3, "--seed", 5,
                              "--set", "size=2", "--out", out, "--json")  # fmt: skip
    assert code == 0, err
    train = dd.load_dataset("digits:train")
    bad = dd.poison(train, dd.triggers.Patch(size=2), dd.PoisonPlan(rate=0.1, target=3), seed=5)
    with np.load(out, allow_pickle=False) as arrays:
        assert set(arrays.files) == {"images", "labels", "poisoned", "cover", "original_labels", "attack"}
        for name in ("images", "labels", "poisoned", "cover", "original_labels"):
            assert np.array_equal(arrays[name], getattr(bad, name)), name
    found, record = read_poisoned(out)
    assert record is not None
    assert found.class_names == train.class_names
    assert load_trigger(record["trigger"]) == bad.trigger
    assert summary["poisoned"] == bad.poisoned.sum() == summary["relabelled"]
    assert [p.name for p in tmp_path.iterdir()] == ["bad.npz"]


def test_a_victim_trained_from_a_poisoned_file_is_the_one_trained_with_attack(call, tmp_path) -> None:
    call("poison", "digits", "--attack", "badnets", "--rate", 0.1, "--out", tmp_path / "bad.npz")
    code, _, err = call("train", tmp_path / "bad.npz", *MLP, "--out", tmp_path / "a.safetensors")
    assert code == 0, err
    code, made, err = call("train", "digits", "--attack", "badnets", "--rate", 0.1, *MLP,
                           "--out", tmp_path / "b.safetensors", "--json")  # fmt: skip
    assert code == 0, err
    assert made["attack_file"].endswith("b.attack.json")
    assert read_attack(tmp_path / "a.attack.json") == read_attack(tmp_path / "b.attack.json")
    one, two = (dd.load_checkpoint(tmp_path / f"{n}.safetensors").module.state_dict() for n in "ab")
    assert all(np.array_equal(one[k].numpy(), two[k].numpy()) for k in one)
    code, found, err = call("evaluate", tmp_path / "b.safetensors", "digits:test", "--json")
    assert code == 0, err
    test = dd.load_dataset("digits:test")
    want = dd.evaluate(dd.load_checkpoint(tmp_path / "b.safetensors"), test, *read_attack(tmp_path / "b.attack.json"))
    assert want.asr is not None
    assert found["asr"]["hits"] == want.asr.hits
    assert found["asr"]["n"] == want.eligible
    assert found["clean_accuracy"]["lower"] < found["clean_accuracy"]["value"] < found["clean_accuracy"]["upper"]
    assert len(found["asr_per_class"]) == 10


def test_a_clean_model_leaves_no_attack_file_of_an_earlier_one(call, tmp_path) -> None:
    (tmp_path / "m.attack.json").write_text("{}")
    code, _, err = call("train", "digits", *MLP, "--out", tmp_path / "m.safetensors")
    assert code == 0, err
    assert not (tmp_path / "m.attack.json").exists()
    code, text, err = call("evaluate", tmp_path / "m.safetensors", "digits:test")
    assert code == 0, err
    assert "only clean accuracy is measured" in err
    assert "ASR" not in text


def test_the_help_says_which_recipe_fits_which_images(call) -> None:
    from doldrum.training import RECIPES

    told = call("train", "--help")[1]
    assert [name for name in RECIPES if name not in told.replace(",", " ").split()] == []


def test_evaluate_takes_a_few_images_of_all_classes_and_counts_them(call, tmp_path, monkeypatch) -> None:
    counted = []

    @contextlib.contextmanager
    def bar(description, total):
        yield lambda n: counted.append((n, total))

    monkeypatch.setattr("doldrum.cli.commands.attacks.progress_bar", bar)
    assert call("train", "digits", *MLP, "--attack", "badnets", "--out", tmp_path / "m.safetensors")[0] == 0
    code, found, err = call("evaluate", tmp_path / "m.safetensors", "digits:test", "--limit", 100, "--json")
    assert code == 0, err
    assert found["clean_accuracy"]["n"] == 100
    assert sum(n for n, _ in counted) == counted[0][1] == 100 + found["asr"]["n"]
    assert all(share["n"] for share in found["accuracy_per_class"])
    code, _, err = call("evaluate", tmp_path / "m.safetensors", "digits:test", "--limit", 0)
    assert code == 2
    assert "expected a --limit of at least 1" in err


def test_bad_input_is_one_line_and_exit_code_2(call, tmp_path) -> None:
    (tmp_path / "x.json").write_text("[1")
    (tmp_path / "y.json").write_text('{"attack": "a", "trigger": {"name": "no", "settings": {}}, "plan": {}}')
    np.savez(tmp_path / "p.npz", images=np.zeros((2, 1, 8, 8), np.uint8), labels=[0, 1], attack=np.array("{}"))
    out = tmp_path / "o.npz"
    model = tmp_path / "m.safetensors"
    assert call("train", "digits", *MLP, "--out", model)[0] == 0
    cases = {
        "expected an attack among": ("poison", "digits", "--attack", "nope", "--out", out),
        "doldrum train --attack input-aware": ("poison", "digits", "--attack", "input-aware", "--out", out),
        "ends in .npz": ("poison", "digits", "--attack", "badnets", "--out", tmp_path / "o"),
        "expected settings of badnets": ("poison", "digits", "--attack", "badnets", "--set", "a=1", "--out", out),
        "--set NAME=VALUE": ("poison", "digits", "--attack", "badnets", "--set", "a", "--out", out),
        "expected --rate in": ("poison", "digits", "--attack", "badnets", "--rate", 2, "--out", out),
        "ends in .safetensors": ("train", "digits", "--out", tmp_path / "m.pt"),
        "expected --attack with --set": ("train", "digits", "--set", "size=2", "--out", model),
        "expected --recipe among": ("train", "digits", "--recipe", "no", "--out", model),
        "did you mean 'digits-mlp'?": ("train", "digits", "--recipe", "digit-mlp", "--out", model),
        "did you mean 'badnets'?": ("poison", "digits", "--attack", "badnet", "--out", out),
        "got 'sise'; did you mean 'size'?": (
            "poison",
            "digits",
            "--attack",
            "badnets",
            "--set",
            "sise=2",
            "--out",
            out,
        ),
        "did you mean 'digits'?": ("poison", "digit:train", "--attack", "badnets", "--out", out),
        "expected --target to be a class number below 10": (
            "poison",
            "digits",
            "--attack",
            "badnets",
            "--target",
            10,
            "--out",
            out,
        ),
        "at least 0 as --target, got -1": ("poison", "digits", "--attack", "badnets", "--target", -1, "--out", out),
        "got 80; make the patch smaller (--set size)": (
            "poison",
            "digits",
            "--attack",
            "badnets",
            "--set",
            "size=80",
            "--out",
            out,
        ),
        "got 7.0; it is a share of the pixel range (--set alpha)": (
            "poison",
            "digits",
            "--attack",
            "blended",
            "--set",
            "alpha=7",
            "--out",
            out,
        ),
        "as --set size of badnets, got 'a'": (
            "poison",
            "digits",
            "--attack",
            "badnets",
            "--set",
            "size=a",
            "--out",
            out,
        ),
        "expected --confidence between 0 and 1, got 2": ("evaluate", model, "digits", "--confidence", 2),
        "with the fields attack, trigger and plan": ("train", tmp_path / "p.npz", "--out", model),
        "record as JSON": ("evaluate", model, "digits", "--attack-file", tmp_path / "x.json"),
        "load_trigger": ("evaluate", model, "digits", "--attack-file", tmp_path / "y.json"),
        "does not exist": ("evaluate", model, "digits", "--attack-file", tmp_path / "z.json"),
    }
    for text, words in cases.items():
        code, _, err = call(*words)
        assert code == 2, (words, err)
        assert text in err, (words, err)
        assert len(err.strip().splitlines()) == 1, err
    assert not out.exists()


def test_learned_triggers_are_read_without_importing_their_modules_first() -> None:
    import subprocess

    images = np.random.default_rng(0).random((32, 1, 14, 14), dtype=np.float32)
    trigger, _ = train_encoder(images, bits=4, steps=2)
    both = trigger | dd.triggers.Patch(size=1)
    script = (
        "import json, sys; from doldrum.attacks import load_trigger\n"
        "print(load_trigger(json.load(sys.stdin)).parts[0].name)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], input=json.dumps(both.to_dict()), capture_output=True, text=True, check=False
    )
    assert done.stdout.strip() == HiddenString.name, done.stderr


def test_the_attacks_are_part_of_the_package() -> None:
    assert dd.attacks.ATTACKS is ATTACKS
    assert dd.run_attack is dd.attacks.run_attack


def test_a_training_that_was_cut_off_goes_on(call, tmp_path, monkeypatch) -> None:
    from doldrum.training.state import RunState

    words = ("train", "digits", "--attack", "badnets", *MLP, "--out")
    assert call(*words, tmp_path / "whole.safetensors")[0] == 0
    real, saves = RunState.save, []

    def cut(self, path) -> None:
        real(self, path)
        saves.append(path)
        if len(saves) == 2:
            raise KeyboardInterrupt

    monkeypatch.setattr(RunState, "save", cut)
    assert call(*words, tmp_path / "cut.safetensors")[0] == 130
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith("cut")] == ["cut.safetensors.resume"]
    assert call(*words, tmp_path / "cut.safetensors")[0] == 0
    assert len(saves) == 4  # epochs 1 and 2, then 3 and 4
    assert not (tmp_path / "cut.safetensors.resume").exists()
    one, two = (dd.load_checkpoint(tmp_path / f"{n}.safetensors").fingerprint for n in ("whole", "cut"))
    assert one == two


def test_an_out_that_cannot_be_written_is_refused_before_the_work(call, tmp_path, monkeypatch) -> None:
    import doldrum.training.loop as loop

    monkeypatch.setattr(loop, "build", lambda *a, **k: pytest.fail("began to train"))
    (tmp_path / "file").write_text("")
    (tmp_path / "d.safetensors").mkdir()
    for command, name in (("train", "x.safetensors"), ("poison", "x.npz")):
        more = ("--attack", "badnets")
        code, _, err = call(command, "digits", *more, "--out", tmp_path / "file" / name)
        assert code == 2, err
        assert "can be written" in err
    code, _, err = call("train", "digits", "--out", tmp_path / "d.safetensors")
    assert code == 2, err
    assert "got the folder" in err
    assert sorted(p.name for p in tmp_path.iterdir()) == ["d.safetensors", "file"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--recipe", "transfr"), "expected --recipe among"),
        (("--attack", "badnet"), "expected an attack among"),
        (("--attack", "badnets", "--rate", 2), "expected --rate in [0, 1], got 2"),
        (("--attack", "badnets", "--set", "siz=8"), "expected settings of badnets"),
        (
            ("--attack", "badnets", "--set", "size=99"),
            "at most 32 pixels together for images of 32 x 32 pixels, got 99; make the patch smaller (--set size)",
        ),
        (("--attack", "badnets", "--target", 100), "expected --target to be a class number below 100"),
        (("--recipe", "transfer", "--data", "digits"), "expected colour images"),
        (("--out", "/proc/x.safetensors"), "can be written"),
    ],
)
def test_what_needs_no_images_is_refused_before_any_are_made(call, tmp_path, monkeypatch, words, message) -> None:
    monkeypatch.setattr("doldrum.cli.training_set.load_images", lambda *a, **k: pytest.fail("made images"))
    data, words = ("digits", words[:2]) if "digits" in words else ("textures", words)
    code, _, err = call("train", data, "--out", tmp_path / "m.safetensors", *words)
    assert code == 2, err
    assert message in err
    code, _, err = call("references", "--data", data, "--recipe", "transfr", "--out", tmp_path / "r")
    assert (code, "expected --recipe among" in err) == (2, True), err
    assert not list(tmp_path.iterdir())


def test_lists_fit_80_columns_and_break_nothing(call, monkeypatch) -> None:
    from doldrum.data import dataset_status

    monkeypatch.setenv("COLUMNS", "80")
    text = call("attacks")[1]
    assert max(map(len, text.splitlines())) <= 80
    words = text.split()
    for attack in ATTACKS.values():
        assert attack.id in words
        assert all(any(w.startswith(f"{name}=") for w in words) for name in attack.settings)
    text = call("datasets")[1]
    assert all(status.location or status.how_to_get in text for status in dataset_status())


def test_help_is_whole(call) -> None:
    code, out, err = call()
    assert code == 2
    assert out == ""
    assert err.count("Usage:") == 1
    assert "…" not in err
    assert "..." not in err.partition("Commands:")[2]
    from doldrum.training import RECIPES

    assert all(name in " ".join(call("train", "--help")[1].split()).replace("- ", "-") for name in RECIPES)
    for command in ("demo", "measure", "attacks", "poison", "train", "evaluate", "datasets", "doctor"):
        assert f"Example: doldrum {command}" in call(command, "--help")[1], command


def test_poison_overwrites_no_clean_data_and_poisons_nothing_twice(call, tmp_path) -> None:
    clean = tmp_path / "clean.npz"
    np.savez(clean, images=np.zeros((40, 1, 8, 8), np.uint8), labels=np.arange(40) % 4)
    before = clean.read_bytes()
    words = ("--attack", "badnets", "--rate", 0.1, "--out")
    code, _, err = call("poison", clean, *words, clean)
    assert code == 2
    assert "expected another file for --out than for the images" in err
    (tmp_path / "link.npz").symlink_to(clean)
    assert call("poison", clean, *words, tmp_path / "link.npz")[0] == 2
    assert clean.read_bytes() == before
    assert call("poison", clean, *words, tmp_path / "bad.npz")[0] == 0
    code, _, err = call("poison", tmp_path / "bad.npz", *words, tmp_path / "worse.npz")
    assert code == 2
    assert "already poisoned" in err
    assert not (tmp_path / "worse.npz").exists()


@pytest.mark.parametrize("depth", [3, 60, 120, 200, 3000])
def test_an_attack_file_of_nested_triggers_is_read_or_refused(depth: int, tmp_path) -> None:
    from doldrum.errors import InputError

    patch = json.dumps(dd.triggers.Patch(size=1).to_dict())
    trigger = '{"name": "composed", "settings": {"parts": [' * depth + patch + "]}}" * depth
    path = tmp_path / "deep.json"
    path.write_text(f'{{"attack": "x", "trigger": {trigger}, "plan": {{"rate": 0.1}}}}')
    if depth == 3:
        assert read_attack(path)[0](np.zeros((1, 1, 4, 4), np.float32)).sum() == 1
    elif depth >= 200:
        with pytest.raises(InputError, match=r"deep\.json: expected"):
            read_attack(path)
    else:
        with contextlib.suppress(InputError):
            read_attack(path)


def test_a_resume_file_that_is_none_is_named_with_what_to_do(call, tmp_path) -> None:
    out = tmp_path / "m.safetensors"
    for content in (b"junk", b""):
        (tmp_path / "m.safetensors.resume").write_bytes(content)
        code, _, err = call("train", "digits", *MLP, "--out", out)
        assert code == 2
        assert "m.safetensors.resume" in err
        assert "remove this file" in err
