"""The one door: models run in a confined process, and answer as they do here."""

from __future__ import annotations

import os
import pickle
import signal
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from small_nets import small_net

import doldrum as dd
from doldrum.classifiers.adapters.module import ModuleClassifier
from doldrum.engines.choose import build_engine, candidates
from doldrum.errors import ClassifierError, InputError, SandboxError
from doldrum.measuring import Measurement
from doldrum.opening import ModelSettings, open_settings
from doldrum.opening.classifier import ConfinedClassifier, _checked, _ConfinedEngine
from doldrum.opening.files import beside, digest_of


@pytest.fixture(scope="session")
def onnx_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("models") / "model.onnx"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own, of its older exporter
        torch.onnx.export(
            small_net(), (torch.rand(1, 1, 8, 8),), path, dynamo=False, input_names=["x"], dynamic_axes={"x": {0: "b"}}
        )
    return path


@pytest.fixture(scope="session")
def opened(onnx_file):
    suspect = dd.open_model(onnx_file)
    yield suspect
    suspect.classifier.close()


@pytest.fixture(scope="session")
def here() -> ModuleClassifier:
    return ModuleClassifier(small_net(), input_shape=(1, 8, 8), num_classes=4)


def test_scores_are_those_of_the_model_itself(opened, here, images):
    clf = opened.classifier
    assert (opened.format, clf.input_shape, clf.num_classes, clf.outputs) == ("onnx", (1, 8, 8), 4, "logits")
    np.testing.assert_allclose(clf(images), here(images), rtol=1e-4, atol=1e-5)
    assert clf(images[:0]).shape == (0, 4)


def test_it_is_in_another_process_that_cannot_be_reached_from_here(opened):
    process = opened.classifier._service._process.process
    assert process.pid != os.getpid()
    assert not hasattr(opened.classifier, "session")


@pytest.mark.parametrize("name", ["eager", "openvino", "onnxruntime"])
def test_each_engine_in_there_gives_the_labels_of_the_model_itself(opened, here, images, name):
    probe = dd.probes.Gaussian([0.1, 0.3], draws=30, seed=1)
    got = dd.measure(opened.classifier, images, probe, engine=name)
    assert got.info["engine"]["engine"] == name
    np.testing.assert_array_equal(got.draws, dd.measure(here, images, probe, engine="eager").draws)


def test_labels_do_not_depend_on_the_batch_or_the_workers(opened, images, tmp_path):
    from doldrum.measuring import measure_to, read_responses

    probe = dd.probes.Gaussian([0.2], draws=40, seed=3)
    whole = dd.measure(opened.classifier, images, probe, batch_size=7)
    measure_to(Measurement(opened.classifier, images, probe), tmp_path / "out", workers=2, progress=False)
    np.testing.assert_array_equal(whole.draws, read_responses(tmp_path / "out").draws)


def test_sent_to_another_process_it_is_opened_again_with_the_same_fingerprint(opened, images):
    again = pickle.loads(pickle.dumps(opened.classifier))
    assert again.fingerprint == opened.classifier.fingerprint
    np.testing.assert_array_equal(again(images), opened.classifier(images))
    again.close()


def test_the_fingerprint_tells_other_preprocessing_and_other_weights(opened, onnx_file, tmp_path):
    other = dd.open_model(onnx_file, mean=0.5)
    assert other.classifier.fingerprint != opened.classifier.fingerprint
    assert other.preprocessing.mean == (0.5,)
    other.classifier.close()
    (tmp_path / "a.onnx").write_bytes(onnx_file.read_bytes() + b"\x62\x00")
    assert digest_of(tmp_path / "a.onnx") != digest_of(onnx_file)


def test_defaults_in_other_words_are_the_same_model(opened, onnx_file):
    """Also an equal mean for each channel, and what the file says itself."""
    known = opened.preprocessing
    same = dd.open_model(
        onnx_file, mean=(0.0,) * known.input_shape[0], std=1, scale=1, size=known.size, channels=known.channels,
        outputs=opened.classifier.outputs, num_classes=opened.classifier.num_classes,
    )  # fmt: skip
    assert same.classifier.fingerprint == opened.classifier.fingerprint
    same.classifier.close()


def test_killed_from_outside_it_says_so_and_opens_again_when_used_again(onnx_file, images):
    clf = dd.open_model(onnx_file).classifier
    before = clf(images)
    os.kill(clf._service._process.process.pid, signal.SIGKILL)
    with pytest.raises(SandboxError, match="got none, because the process ended with SIGKILL"):
        clf(images)
    np.testing.assert_array_equal(clf(images), before)
    clf.close()


def test_ctrl_c_in_a_measurement_leaves_a_classifier_that_works(opened, images):
    engine = build_engine(opened.classifier, *candidates(opened.classifier)[0], rows=8)
    before = opened.classifier(images)

    def tiles():
        for k in range(1000):
            if k == 20:
                raise KeyboardInterrupt
            yield k, lambda buffer: buffer.fill(0.5)

    with pytest.raises(KeyboardInterrupt):
        engine.run(tiles(), lambda key, out: None)
    np.testing.assert_array_equal(opened.classifier(images), before)


def test_threads_take_turns(opened, images):
    expected, found = opened.classifier(images), {}

    def ask(k):
        found[k] = opened.classifier(images[k : k + 1])

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k in range(8):
        np.testing.assert_allclose(found[k][0], expected[k], rtol=1e-5, atol=1e-6)


def test_a_with_block_ends_the_process(onnx_file, images):
    with dd.open_model(onnx_file) as suspect:
        assert suspect.classifier(images).shape == (20, 4)
        process = suspect.classifier._service._process.process
    assert process.poll() is not None
    with dd.open_model(onnx_file) as suspect:
        suspect.close()


def test_no_process_is_left_when_the_classifier_goes(onnx_file):
    clf = dd.open_model(onnx_file).classifier
    pid = clf._service._process.process.pid
    del clf
    for _ in range(100):
        if not Path(f"/proc/{pid}").exists():
            return
        time.sleep(0.05)
    pytest.fail(f"process {pid} is still there")


def test_an_error_of_the_model_is_of_its_own_kind_here(tmp_path):
    (tmp_path / "m.onnx").write_bytes(b"#!/bin/sh\n")
    with pytest.raises(InputError, match="got a script"):
        dd.open_model(tmp_path / "m.onnx")
    with pytest.raises(InputError, match="which is not there"):
        dd.open_model(tmp_path / "none.onnx")


def test_an_own_checkpoint_is_opened_here(tmp_path):
    model = dd.train(dd.load_dataset("digits:train").take(range(64)), recipe="digits-mlp", seed=0, progress=False)
    opened = dd.open_model(model.save(tmp_path / "m.safetensors"))
    assert opened.format == "doldrum checkpoint"
    assert isinstance(opened.classifier, ModuleClassifier)
    opened.close()  # nothing to end
    with pytest.raises(
        InputError, match=r"as it was trained, on 1 x 8 x 8 pixels in \[0, 1\], got other preprocessing"
    ):
        dd.open_model(tmp_path / "m.safetensors", mean=0.5)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"mean": "x"}, "mean= as 1 or 3 numbers"),
        ({"std": 0}, r"std= as 1 or 3 numbers above 0"),
        ({"size": (0, 3)}, "size= as two whole numbers, height and width"),
        ({"scale": -1}, "positive scale="),
        ({"outputs": "words"}, "outputs= as one of logits, probabilities, labels"),
        ({"resize": "pad"}, "resize= as one of stretch, crop"),
        ({"num_classes": 1}, "num_classes= from 2"),
        ({"num_classes": "x"}, "num_classes= from 2 to 32,767, got 'x'"),
        ({"num_classes": True}, "num_classes= from 2"),
        ({"memory": "a"}, "positive memory=, got 'a'"),
        ({"memory": None}, "positive memory=, got None"),
        ({"resize": None}, "resize= as one of stretch, crop, got None"),
        ({"scale": "x"}, "positive scale=, got 'x'"),
        ({"mean": True}, "mean= as 1 or 3 numbers"),
        ({"size": "8"}, "size= as two whole numbers, height and width"),
        ({"arch": 3}, "arch= as text, got int"),
        ({"trust_code": "yes"}, "trust_code=True or False, got 'yes'"),
        ({"labels": "/no/such"}, "labels= as the path of a text file, got the path /no/such, which is not there"),
        ({"labels": "/dev/zero"}, "labels= as the path of a text file, got the path /dev/zero, which is a device"),
        ({"labels": "/"}, "labels= as the path of a text file, got the path /, which is a folder"),
        ({"labels": 3}, "labels= as text, got int"),
        ({"endpoint_token": "X"}, "with a model at an address"),
        ({"foo": 1}, "expected the name of an option .arch, outputs, .*, got foo; check the spelling"),
    ],
)
def test_options_are_checked_before_any_process_starts(onnx_file, options, match):
    with pytest.raises(InputError, match=match):
        dd.open_model(onnx_file, **options)


@pytest.mark.parametrize(
    ("source", "match"),
    [
        (None, "path or address of a model, got NoneType; pass one"),
        (torch.nn.Identity(), "got Identity; make a classifier of a model in memory with dd.as_classifier"),
        (b"m.onnx", "got bytes; pass one"),
        (
            "/dev/zero",
            "expected the path of a model file or folder, got the path /dev/zero, which is a device, pipe or socket",
        ),
        ("no\0such", r"got the path no\\x00such, which is not there"),
        ("", "got the path '', which is not there"),
    ],
    ids=["none", "module", "bytes", "device", "name", "empty"],
)
def test_what_is_no_path_of_a_model_is_refused(source, match):
    with pytest.raises(InputError, match=match):
        dd.open_model(source)


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"endpoint_batch": "x"}, "endpoint_batch="),
        ({"endpoint_timeout": "x"}, "endpoint_timeout="),
        ({"endpoint_retries": 1.5}, "endpoint_retries="),
        ({"endpoint_body": 3}, "endpoint_body="),
        ({"endpoint_queries": 0}, "endpoint_queries="),
        ({"endpoint_token": 3}, "endpoint_token= as text"),
    ],
)
def test_options_of_an_address_are_checked_too(options, match):
    with pytest.raises(InputError, match=match):
        ModelSettings(model="http://localhost:1/x", **options)


@pytest.mark.parametrize("name", ["batch", "timeout", "retries"])
def test_no_bound_of_an_address_may_be_none_that_has_a_default(name):
    with pytest.raises(InputError, match=f"endpoint_{name}=, got None"):
        ModelSettings(model="http://localhost/x", **{f"endpoint_{name}": None})


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"arch": "nonsense"}, r"no arch= for .*\(onnx\), .* got 'nonsense'; leave arch= out"),
        ({"outputs": "labels"}, "outputs"),
        ({"output_name": "none"}, "got 'none'; name one of these outputs"),
    ],
)
def test_an_option_that_the_model_has_no_use_for_is_refused(onnx_file, options, match):
    with pytest.raises((InputError, ClassifierError), match=match):
        dd.open_model(onnx_file, **options)


def test_too_little_memory_to_load_the_libraries_is_told_as_that(onnx_file):
    with pytest.raises(SandboxError, match=r"at most 41 MiB of memory, got more.*raise memory=") as found:
        dd.open_model(onnx_file, memory=0.04)
    assert found.value.reason == "memory"


def test_a_library_that_did_not_load_is_told_from_one_that_is_absent():
    from doldrum.errors import missing_extra

    for lack in ("Exception caught: std::bad_alloc", "libtorch.so: failed to map segment from shared object"):
        with pytest.raises(MemoryError):
            missing_extra("torch", "torch", ImportError(lack))
    broken = str(missing_extra("torch", "torch", ImportError("libgomp.so.1: cannot open shared object file")))
    assert broken.startswith(
        "expected the library 'torch' to load, got libgomp.so.1: cannot open shared object file; run: "
    )
    assert "got none" in str(missing_extra("torch", "torch", ModuleNotFoundError("No module named 'torch'")))


def test_settings_come_back_from_a_dictionary():
    settings = ModelSettings(model=".", mean=0.5, size=8, channels="grey")
    assert settings.preprocessing == {"mean": [0.5], "size": [8, 8], "channels": "grey", "resize": "stretch"}
    again = ModelSettings.from_dict(settings.to_dict())
    assert (again.mean, again.size, again.channels) == ((0.5,), (8, 8), "grey")


FACTS = {
    "format": "onnx",
    "preprocessing": {"size": (8, 8)},
    "class_names": ["a\x1b[0m", "b"],
    "notes": ["n"],
    "model_notes": [],
    "input_shape": [1, 8, 8],
    "num_classes": 2,
    "outputs": "logits",
    "fingerprint": "f",
    "costly": False,
    "precision": "fp32",
    "candidates": [["eager", "fp32"]],
}


def test_facts_are_taken_as_an_attackers():
    assert _checked(FACTS)["class_names"] == ("a\\x1b[0m", "b")
    for change in (
        {"candidates": []},
        {"candidates": [["rm", "fp32"]]},
        {"precision": "int4"},
        {"input_shape": [1, 8]},
        {"input_shape": [1, -8, 8]},
        {"input_shape": "abc"},
    ):
        with pytest.raises((ValueError, TypeError, KeyError)):
            _checked({**FACTS, **change})


class _Lies:
    """A service whose process answers what an attacker likes."""

    ended = False

    def __init__(self, facts, answers):
        self.facts, self.answers = facts, answers

    def ask(self, requests, heard):
        for _ in requests:
            pass
        for number, data in self.answers:
            heard(number, data)
        return {"queries": None}

    def close(self):
        pass


@pytest.mark.parametrize(
    "answers",
    [[], [(0, b"123")], [(7, bytes(8 * 2 * 4))], [(0, bytes(8 * 2 * 4))] * 2, [("0", bytes(8 * 2 * 4))]],
    ids=["none", "short", "another tile", "twice", "no number"],
)
def test_answers_are_taken_as_an_attackers(monkeypatch, onnx_file, answers):
    monkeypatch.setattr("doldrum.opening.classifier.Service", lambda function, sent, limits: _Lies({**FACTS}, answers))
    clf = ConfinedClassifier(ModelSettings(model=str(onnx_file)))
    engine = _ConfinedEngine(clf, "eager", rows=8, precision="fp32")
    with pytest.raises(SandboxError, match=r"^expected "):
        engine.run([("key", lambda buffer: buffer.fill(0))], lambda key, out: None)


def test_labels_of_a_hostile_process_are_held_to_the_range(monkeypatch, onnx_file):
    facts = {**FACTS, "outputs": "labels"}
    wrong = np.array([5], np.int64).tobytes()
    monkeypatch.setattr("doldrum.opening.classifier.Service", lambda function, sent, limits: _Lies(facts, [(0, wrong)]))
    clf = ConfinedClassifier(ModelSettings(model=str(onnx_file)))
    with pytest.raises(ClassifierError, match="expected labels in"):
        clf(np.zeros((1, 1, 8, 8), np.float32))


@pytest.fixture
def outside(onnx_file, tmp_path) -> Path:
    """The model with its weights in a file beside it, among files that have nothing to do with it."""
    import onnx

    path = tmp_path / "real" / "m.onnx"
    path.parent.mkdir()
    onnx.save(onnx.load(onnx_file), path, save_as_external_data=True, location="weights.data", size_threshold=0)
    for name in ("x", "Conv", "weight", "m.bin", "m.data"):  # names that are in the model's bytes, and its own
        (path.parent / name).write_bytes(b"w")
    (path.parent / "m.xml").write_text("<?xml version='1.0'?><net/>")
    return path


def test_weights_beside_the_model_are_the_files_that_it_names(outside):
    assert [p.name for p in beside(outside)] == ["weights.data"]
    assert [p.name for p in beside(outside.with_suffix(".xml"))] == ["m.bin"]
    before = digest_of(outside)
    for name in ("x", "m.bin", "new"):
        (outside.parent / name).write_bytes(b"other")
    assert digest_of(outside) == before
    weights = outside.with_name("weights.data")
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x7f")
    assert digest_of(outside) != before
    weights.rename(outside.with_name("moved"))
    weights.symlink_to(outside.with_name("moved"))
    assert beside(outside) == []


def test_a_link_to_a_model_is_that_model(outside, here, images, tmp_path):
    link = tmp_path / "link.onnx"
    link.symlink_to(outside)
    (tmp_path / "weights.data").write_bytes(b"others")
    opened, straight = dd.open_model(link), dd.open_model(outside)
    np.testing.assert_allclose(opened.classifier(images), here(images), rtol=1e-4, atol=1e-5)
    assert opened.classifier.fingerprint == straight.classifier.fingerprint
    settings = ModelSettings(model=str(link))
    assert settings.to_dict()["model"] == str(outside.resolve())
    link.unlink()
    link.symlink_to("/etc/passwd")  # it stays the model that was looked at
    assert settings.path == outside.resolve()
    for suspect in (opened, straight):
        suspect.classifier.close()
    link.unlink()
    link.symlink_to(link)
    with pytest.raises(InputError, match="which is not there"):
        dd.open_model(link)


def test_a_folder_cannot_be_read_but_for_the_model(tmp_path, onnx_file):
    """Landlock: what lies beside the model and isn't named in it stays unread."""
    from doldrum.opening.files import readable

    (tmp_path / "secret.txt").write_text("s")
    (tmp_path / "m.onnx").write_bytes(onnx_file.read_bytes())
    assert readable(ModelSettings(model=str(tmp_path / "m.onnx"))) == [str(tmp_path / "m.onnx")]
    suspect = open_settings(ModelSettings(model=str(tmp_path / "m.onnx")))
    assert suspect.classifier.input_shape == (1, 8, 8)
    suspect.classifier.close()


def _ask_in_a_fork(clf, images, answers):
    answers.put(clf(images).argmax(1).tolist())


def test_after_a_fork_the_model_is_opened_again_and_the_first_one_stays(opened, images):
    import multiprocessing

    expected = opened.classifier(images).argmax(1).tolist()
    process = opened.classifier._service._process.process.pid
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of forks beside threads, which is what is tried
        child = context.Process(target=_ask_in_a_fork, args=(opened.classifier, images, answers))
        child.start()
    assert answers.get(timeout=120) == expected
    child.join(60)
    assert opened.classifier(images).argmax(1).tolist() == expected
    assert opened.classifier._service._process.process.pid == process
