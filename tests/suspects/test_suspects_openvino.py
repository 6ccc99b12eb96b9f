"""OpenVINO's own format and TensorFlow Lite: the labels of OpenVINO called directly, or of the numbers that are in the file."""

from __future__ import annotations

import functools
import os
import pickle

import numpy as np
import pytest
from model_forms import CLASSES, FORMS_OF_OPENVINO, Form, network, onnx_forms, pictures

from doldrum.engines.choose import build_engine
from doldrum.errors import ClassifierError, DoldrumError, InputError
from doldrum.suspects import Preprocessing, model_kind, open_model

ov = pytest.importorskip("openvino")
pytest.importorskip("flatbuffers")
from tflite_file import ARG_MAX, LOGISTIC, linear, tflite  # noqa: E402

FORMS = {name: form for name, form in onnx_forms().items() if name in FORMS_OF_OPENVINO}
F32 = {"INFERENCE_PRECISION_HINT": "f32"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The same forms, converted by OpenVINO, which compresses their weights to fp16 as is its default."""
    import io

    made = tmp_path_factory.mktemp("ir")
    for name, form in FORMS.items():
        ov.save_model(ov.Core().read_model(io.BytesIO(form.model.SerializeToString())), made / f"{name}.xml")
    return made


def labels(scores: np.ndarray) -> np.ndarray:
    return scores if scores.ndim == 1 else scores.argmax(1)


def direct(path, form: Form, images: np.ndarray) -> np.ndarray:
    compiled = ov.Core().compile_model(ov.Core().read_model(path), "CPU", F32)
    step, given = form.batch or len(images), form.feed(images)
    port = next(o for o in compiled.outputs if form.output in o.get_names())
    parts = [given[k : k + step] for k in range(0, len(given), step)]
    parts[-1] = np.concatenate([parts[-1], parts[-1][: step - len(parts[-1])]])
    return np.concatenate([form.labels(compiled(part)[port]) for part in parts])[: len(images)]


@pytest.mark.parametrize("name", FORMS)
def test_labels_are_those_of_openvino_called_directly(folder, name):
    form, images = FORMS[name], pictures(500)
    settings = {k: v for k, v in form.settings.items() if k != "output"}
    more = {"output": form.settings["output"]} if "output" in form.settings else {}
    suspect = open_model(folder / f"{name}.xml", preprocessing=Preprocessing(**settings) if settings else None, **more)
    classifier = suspect.classifier
    x = (images[:, : classifier.input_shape[0]] / np.float32(255)).astype(np.float32)
    expected = direct(folder / f"{name}.xml", form, images)
    assert suspect.format == "openvino"
    assert np.array_equal(labels(classifier(x)), expected)
    assert len(np.unique(expected)) > 1
    for words in form.notes:
        if "image by image" not in words:
            assert any(words in note for note in suspect.notes), suspect.notes
    noisy = (x[:64] + 0.2 * np.random.default_rng(3).standard_normal(x[:64].shape)).astype(np.float32)
    if classifier.fixed_batch is None:
        got = build_engine(classifier, "openvino", "fp32", 32)(noisy)
        assert (labels(got) == labels(classifier(noisy))).mean() >= 0.98
    again = pickle.loads(pickle.dumps(classifier))  # as it goes to another process
    assert np.array_equal(again(noisy), classifier(noisy))
    assert (again.fingerprint, again.notes) == (classifier.fingerprint, classifier.notes)


def test_the_fingerprint_is_of_the_file_and_what_is_done_before_it(folder):
    path = folder / "plain.xml"
    found = [open_model(path).classifier.fingerprint for _ in range(2)]
    other = open_model(path, preprocessing=Preprocessing(size=16, scale=255)).classifier.fingerprint
    assert found[0] == found[1] != other


def test_weights_in_fp16_are_those_of_the_network(folder):
    import torch

    x = (pictures(500) / np.float32(255)).astype(np.float32)
    with torch.no_grad():
        own = network()(torch.from_numpy(x)).numpy()
    got = open_model(folder / "plain.xml").classifier(x)
    np.testing.assert_allclose(got, own, atol=0.05)
    assert (labels(got) == labels(own)).mean() > 0.99


def edited(folder, tmp_path, change) -> object:
    text, data = (folder / "plain.xml").read_text(), (folder / "plain.bin").read_bytes()
    text, data = change(text, data)
    (tmp_path / "m.xml").write_bytes(text if isinstance(text, bytes) else text.encode())
    if data is not None:
        (tmp_path / "m.bin").write_bytes(data)
    return tmp_path / "m.xml"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t, d: (t.replace("<net", '<!DOCTYPE net [<!ENTITY a "b">]>\n<net', 1), d), "a document type or an entity"),
        (lambda t, d: (t.replace("<net", '<!DOCTYPE net SYSTEM "file:///etc/passwd">\n<net', 1), d), "a document type"),
        (lambda t, d: (t[: len(t) // 2], d), "cut off or broken"),
        (lambda t, d: ('<?xml version="1.0"?>' + "<net>" * 2000, d), "nested or repeated without end"),
        (lambda t, d: ('<?xml version="1.0"?><svg/>', d), "got <svg>"),
        (lambda t, d: (t.encode("utf-16"), d), "of an unknown kind"),
        (lambda t, d: (t, None), "got none; put it there"),
        (lambda t, d: (t, d[:-100]), "inside the .bin"),
        (lambda t, d: (t.replace('offset="0"', f'offset="{1 << 40}"', 1), d), "inside the .bin"),
        (lambda t, d: (t.replace('offset="0"', 'offset="-2"', 1), d), "inside the .bin"),
        (lambda t, d: (t.replace('shape="8, 3, 3, 3"', 'shape="8, 3, 3, 4"', 1), d), "inside the .bin"),
        (lambda t, d: (t.replace('shape="8, 3, 3, 3"', f'shape="{1 << 40}, 3"', 1), d), "inside the .bin"),
        (lambda t, d: (t.replace('element_type="f16"', 'element_type="string"', 1), d), "inside the .bin"),
        (lambda t, d: (t, b"\xff\xff" + d[2:]), "NaN in"),
        (lambda t, d: (t.replace('type="ReLU" version="opset1"', 'type="Evil\x7f" version="extension"', 1), d), "'Evil\\x7f' of 'extension'"),
        (lambda t, d: (t.replace('type="ReLU" version="opset1"', 'type="Evil" version="opset1"', 1), d), "that OpenVINO reads"),
        (lambda t, d: (t.replace('shape="?,3,16,16"', f'shape="?,3,{1 << 40},16"', 1), d), "no image has this shape"),
        (lambda t, d: (t.replace('from-layer="0"', 'from-layer="999"', 1), d), "that OpenVINO reads"),
        (lambda t, d: (t.replace('<data shape="?,3,16,16"', '<nodata shape="?,3,16,16"', 1), d), "expected one <data>"),
    ],
)  # fmt: skip
def test_broken_and_hostile_files_get_one_line(folder, tmp_path, change, words):
    path = edited(folder, tmp_path, change)
    with pytest.raises(DoldrumError) as error:
        open_model(path)
    text = str(error.value)
    assert text.startswith("expected ")
    assert words in text
    assert text.isprintable()
    assert len(text) < 1200


def test_weights_behind_a_link_are_refused(folder, tmp_path):
    path = edited(folder, tmp_path, lambda t, d: (t, None))
    (tmp_path / "m.bin").symlink_to(folder / "plain.bin")
    with pytest.raises(InputError, match="a link, which is not followed"):
        open_model(path)
    (tmp_path / "m.bin").unlink()
    os.mkfifo(tmp_path / "m.bin")
    with pytest.raises(InputError, match="do not trust this model"):
        open_model(path)


def scores(images: np.ndarray) -> np.ndarray:
    """What is in the TensorFlow Lite file, by NumPy."""
    weights, bias = linear()
    return images.transpose(0, 2, 3, 1).reshape(len(images), -1) @ weights.T + bias


@pytest.mark.parametrize("kind", [np.float32, np.uint8, np.int8])
def test_tflite_gives_the_scores_of_its_numbers(tmp_path, kind):
    (tmp_path / "model.onnx").write_bytes(tflite(kind=kind))  # told by its bytes
    assert model_kind(tmp_path / "model.onnx") == "tflite"
    suspect = open_model(tmp_path / "model.onnx")
    x = (pictures(500) / np.float32(255)).astype(np.float32)
    raw = scores(x)
    soft = np.exp(raw - raw.max(1, keepdims=True))
    got = suspect.classifier(x)
    np.testing.assert_allclose(got, soft / soft.sum(1, keepdims=True), atol=1e-4)
    assert np.array_equal(labels(got), raw.argmax(1))
    assert (suspect.format, suspect.classifier.outputs) == ("tflite", "probabilities")
    assert bool(suspect.classifier.notes) == (kind is not np.float32)
    assert (suspect.preprocessing.scale == 255) == (kind is not np.float32)
    assert suspect.classifier.fixed_batch is None  # the file says one; any number does
    assert (got.argmax(1) == np.arange(500) % CLASSES).mean() > 0.8


def test_tflite_labels_one_sigmoid_and_one_image_at_a_time(tmp_path):
    x = (pictures(200) / np.float32(255)).astype(np.float32)
    raw = scores(x)
    (tmp_path / "bound.tflite").write_bytes(tflite(rows=1))
    bound = open_model(tmp_path / "bound.tflite")
    assert bound.classifier.fixed_batch == 1
    assert any("one image at a time" in note for note in bound.notes)
    assert np.array_equal(labels(bound.classifier(x)), raw.argmax(1))
    (tmp_path / "label.tflite").write_bytes(tflite(end=ARG_MAX))
    suspect = open_model(tmp_path / "label.tflite")
    assert suspect.classifier.num_classes == CLASSES
    assert np.array_equal(suspect.classifier(x), raw.argmax(1))
    (tmp_path / "one.tflite").write_bytes(tflite(end=LOGISTIC, classes=1))
    one = open_model(tmp_path / "one.tflite").classifier
    assert np.array_equal(one(x).argmax(1), raw[:, 3] > raw[:, 5])


def test_tflite_weights_of_early_converters_are_signed(tmp_path):
    """OpenVINO takes them for 0 to 255; a model of a registry (facex 1.1.0) gave one class to all for it."""
    (tmp_path / "old.tflite").write_bytes(tflite(old=True))
    suspect = open_model(tmp_path / "old.tflite")
    x = (pictures(500) / np.float32(255)).astype(np.float32)
    weights, bias = linear()
    step = np.abs(weights).max() / 127
    raw = x.transpose(0, 2, 3, 1).reshape(500, -1) @ (np.rint(weights / step) * step).T + bias
    soft = np.exp(raw - raw.max(1, keepdims=True))
    got = suspect.classifier(x)  # OpenVINO rounds what such weights are multiplied by
    np.testing.assert_allclose(got, soft / soft.sum(1, keepdims=True), atol=1e-3)
    assert np.array_equal(labels(got), raw.argmax(1))
    assert any("signed" in note for note in suspect.notes)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d[:200], "cut off or broken"),
        (lambda d: d[:-50], "cut off or broken"),
        (lambda d: d[:8] + bytes(len(d) - 8), "cut off or broken"),
        (lambda d: d[:4] + b"TFL3" + b"\xff" * 300, "cut off or broken"),
        (lambda d: tflite(custom=True), "operators that OpenVINO doesn't know"),
    ],
)
def test_broken_tflite_gets_one_line(tmp_path, change, words):
    (tmp_path / "m.tflite").write_bytes(change(tflite()))
    with pytest.raises((InputError, ClassifierError)) as error:
        open_model(tmp_path / "m.tflite")
    assert words in str(error.value)
    assert str(error.value).isprintable()


@functools.cache
def _zip_of_keras() -> bytes:
    import io
    import zipfile

    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        for name in ("metadata.json", "config.json", "model.weights.h5"):
            archive.writestr(name, b"{}")
    return stream.getvalue()


def test_other_formats_name_a_way_out(tmp_path):
    (tmp_path / "m.keras").write_bytes(_zip_of_keras())
    (tmp_path / "m.h5").write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))
    (tmp_path / "m.pdmodel").write_bytes(b"\x0a\x05hello")
    (tmp_path / "saved").mkdir()
    (tmp_path / "saved" / "saved_model.pb").write_bytes(b"x")
    (tmp_path / "paddle").mkdir()
    (tmp_path / "paddle" / "inference.pdmodel").write_bytes(b"x")
    for name in ("m.keras", "m.h5"):
        with pytest.raises(InputError, match=r"Keras.*model\.export\('model\.onnx', format='onnx'\)"):
            open_model(tmp_path / name)
    for name, what in (("m.pdmodel", "PaddlePaddle"), ("paddle", "PaddlePaddle"), ("saved", "SavedModel")):
        with pytest.raises(InputError, match=rf"{what}.*ovc .* --output_model model\.xml"):
            open_model(tmp_path / name)


def test_a_broken_file_is_called_by_the_name_that_the_user_knows(tmp_path):
    data = bytearray(tflite())
    data[30922] ^= 4
    (tmp_path / "mine.tflite").write_bytes(data)
    with pytest.raises(InputError, match="OpenVINO reads") as error:
        open_model(tmp_path / "mine.tflite")
    assert str(error.value).count(str(tmp_path / "mine.tflite")) == 2
    assert "doldrum-openvino" not in str(error.value)
