from __future__ import annotations

import sys

import numpy as np
import pytest
import torch

import doldrum as dd
from doldrum.engines import choose_engine
from doldrum.engines.base import default_rows
from doldrum.engines.onnxruntime import OnnxRuntimeEngine
from doldrum.engines.openvino import OpenVINOEngine
from doldrum.errors import EngineError, MissingExtraError


def test_openvino_gives_the_classifiers_scores(clf, images) -> None:
    engine = OpenVINOEngine(clf, rows=7, precision="fp32")
    assert np.allclose(engine(images), clf(images), atol=1e-4)


def test_auto_takes_one_that_agrees_and_says_how(clf, images) -> None:
    engine, choice = choose_engine(clf, "auto", rows=8, sample=images)
    assert engine.name == choice.engine
    assert choice.agreement >= 0.98
    assert choice.checked == len(images)


def test_auto_falls_back_when_labels_disagree(clf, images, monkeypatch) -> None:
    monkeypatch.setattr(OpenVINOEngine, "__call__", lambda self, x: -clf(x))
    monkeypatch.setattr(OnnxRuntimeEngine, "__call__", lambda self, x: -clf(x))
    _, choice = choose_engine(clf, "auto", rows=8, sample=images)
    assert (choice.engine, choice.agreement) == ("eager", 1.0)
    with pytest.warns(UserWarning, match="give the same labels as the model itself"):
        choose_engine(clf, "openvino", rows=8, sample=images)


def test_auto_falls_back_when_the_graph_cannot_be_read(images) -> None:
    class Branches(torch.nn.Module):
        def forward(self, x):
            return torch.from_numpy(x.reshape(len(x), -1)[:, :4].numpy() ** 2)  # leaves torch: can't be traced right

    clf = dd.as_classifier(Branches().eval(), input_shape=(1, 8, 8), num_classes=4)
    _, choice = choose_engine(clf, "auto", rows=8, sample=images)
    assert choice.agreement == 1.0


def test_a_function_has_only_the_eager_engine(images) -> None:
    clf = dd.as_classifier(lambda x: x.reshape(len(x), -1)[:, :3], input_shape=(1, 8, 8), num_classes=3)
    assert choose_engine(clf, "auto", rows=8, sample=images)[1].engine == "eager"
    with pytest.raises(EngineError, match="engine='eager'"):
        choose_engine(clf, "openvino", rows=8, sample=images)


def test_without_openvino_the_error_says_what_to_install(clf, images, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'doldrum\[openvino\]'"):
        OpenVINOEngine(clf, rows=8, precision="fp32")


def test_an_error_inside_a_sink_reaches_the_caller(clf, images) -> None:
    engine = OpenVINOEngine(clf, rows=8, precision="fp32")

    def sink(key, output):
        raise RuntimeError("from the sink")

    with pytest.raises(RuntimeError, match="from the sink"):
        engine.run(((i, lambda buffer: buffer.fill(0)) for i in range(5)), sink)


def test_a_classifier_whose_rows_depend_on_each_other_is_noticed(images) -> None:
    clf = dd.as_classifier(
        lambda x: (x - x.mean(axis=0)).reshape(len(x), -1)[:, :3], input_shape=(1, 8, 8), num_classes=3
    )
    assert not choose_engine(clf, "auto", rows=8, sample=images)[1].mixes_inputs


def test_rows_shrink_with_the_image() -> None:
    assert default_rows((1, 28, 28)) == 64
    assert 1 <= default_rows((3, 4096, 4096)) <= default_rows((3, 224, 224)) <= 64
