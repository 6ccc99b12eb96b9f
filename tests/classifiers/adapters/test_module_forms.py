"""Modules whose answer is inside something, and modules that take one image only; their labels are those of the plain network."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from small_nets import small_net
from torch import nn

import doldrum as dd
from doldrum.cleansing.methods.penultimate import penultimate
from doldrum.errors import ClassifierError, EngineError

KNOWN: dict[str, Any] = {"input_shape": (1, 8, 8), "num_classes": 4}


class Logits(NamedTuple):
    loss: None
    logits: torch.Tensor


class Output(OrderedDict[str, Any]):
    """As transformers' ModelOutput is: a dict with fields."""

    @property
    def logits(self) -> torch.Tensor:
        return self["logits"]


FORMS = {
    "field": lambda out, x: Logits(None, out),
    "model output": lambda out, x: Output(logits=out, hidden_states=(x,)),
    "dict": lambda out, x: {"features": x.flatten(1), "logits": out},
    "tuple": lambda out, x: (out, x.flatten(1)),
    "list": lambda out, x: [x, out],
}


class Wrapped(nn.Module):
    def __init__(self, form: str, *, one: str = "") -> None:
        super().__init__()
        self.net, self.form, self.one = small_net(), form, one

    def forward(self, x: torch.Tensor) -> Any:
        if self.one == "assert":
            assert len(x) == 1
        if self.one == "flat":
            return self.net(x[:1]).squeeze(0)  # the first image's scores, whatever else there is
        out = self.net(x)
        return out if self.form == "plain" else FORMS[self.form](out, x)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("engine", ["eager", "openvino-fp32", "onnxruntime"])
def test_a_wrapped_answer_has_the_networks_labels_on_every_engine(images, form, engine) -> None:
    probe = dd.probes.Gaussian([0.3], draws=20, seed=0)
    want = dd.measure(dd.as_classifier(small_net(), **KNOWN), images, probe, engine="eager")
    found = dd.measure(dd.as_classifier(Wrapped(form).eval(), **KNOWN), images, probe, engine=engine)
    assert found.info["engine"]["engine"] == engine.partition("-")[0]
    assert (found.draws == want.draws).mean() > 0.99
    if engine == "eager":
        assert np.array_equal(found.draws, want.draws)


def test_a_compiled_dict_has_the_networks_labels(images) -> None:
    from doldrum.engines.compiled import CompiledEngine

    clf = dd.as_classifier(Wrapped("dict").eval(), **KNOWN)
    try:
        engine = CompiledEngine(clf, rows=8, precision="fp32")
    except EngineError as error:
        pytest.skip(f"no compiler here: {error}")
    assert np.allclose(engine(images), clf(images), atol=1e-4)


@pytest.mark.parametrize(("form", "one"), [("plain", "assert"), ("dict", "assert"), ("plain", "flat")])
def test_a_module_that_takes_one_image_is_asked_image_by_image(images, form, one) -> None:
    plain = dd.as_classifier(small_net(), **KNOWN)
    clf = dd.as_classifier(Wrapped(form, one=one).eval(), **KNOWN)
    assert np.allclose(clf(images), plain(images), atol=1e-6)
    r = dd.measure(clf, images, dd.probes.Gaussian([0.3], draws=20, seed=0))
    assert r.info["engine"]["engine"] == "eager"
    assert any("image by image" in note for note in r.info["notes"])
    for engine in ("openvino", "onnxruntime", "compile"):
        with pytest.raises(EngineError, match="a module that takes one image at a time"):
            dd.measure(clf, images, dd.probes.Gaussian([0.3], draws=20), engine=engine)


def test_activations_of_a_looped_module_are_those_of_every_image(images) -> None:
    plain, looped = (dd.as_classifier(Wrapped("plain", one=one).eval(), **KNOWN) for one in ("", "assert"))
    assert np.allclose(penultimate(looped, images), penultimate(plain, images), atol=1e-5)


def test_a_probe_of_the_model_perturbs_what_is_wrapped(images) -> None:
    probe = dd.probes.ChannelAblation([0.5], draws=3, seed=0)
    want = dd.measure(dd.as_classifier(small_net(), **KNOWN), images, probe)
    for module in (Wrapped("tuple"), Wrapped("plain", one="assert")):
        assert np.array_equal(dd.measure(dd.as_classifier(module.eval(), **KNOWN), images, probe).draws, want.draws)


def test_labels_in_a_tuple_and_one_at_a_time(images) -> None:
    class Labels(nn.Module):
        def __init__(self, one: bool) -> None:
            super().__init__()
            self.net, self.one = small_net(), one

        def forward(self, x: torch.Tensor) -> Any:
            out = self.net(x)
            return out.argmax(1).reshape(()) if self.one else (out, out.argmax(1))

    want = dd.as_classifier(small_net(), **KNOWN)(images).argmax(axis=1)
    for one in (False, True):
        clf = dd.as_classifier(Labels(one).eval(), outputs="labels", **KNOWN)
        assert np.array_equal(clf(images), want)
        assert bool(clf.notes) == one


def test_two_answers_are_refused_when_the_model_is_wrapped() -> None:
    class Two(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return x.flatten(1)[:, :4], x.flatten(1)[:, 4:8]

    with pytest.raises(ClassifierError, match=r"got a tuple of \(2, 4\), \(2, 4\); return only this tensor"):
        dd.as_classifier(Two().eval(), **KNOWN)


def test_a_bare_assertion_says_what_was_asked(images) -> None:
    class Never(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            raise AssertionError

    clf = dd.as_classifier(Never().eval(), **KNOWN)
    with pytest.raises(ClassifierError, match=r"shape \(20, 1, 8, 8\), got AssertionError; check input_shape"):
        clf(images)


def test_wrapping_draws_no_random_number_and_a_module_that_gives_a_tensor_stays_itself() -> None:
    class Noisy(nn.Module):
        def forward(self, x: torch.Tensor) -> Any:
            return x.flatten(1)[:, :4] + torch.rand(1)

    torch.manual_seed(0)
    want = torch.rand(3)
    torch.manual_seed(0)
    net = Noisy().eval()
    assert dd.as_classifier(net, **KNOWN).module is net  # pyright: ignore[reportAttributeAccessIssue]
    assert torch.equal(torch.rand(3), want)


def test_evaluate_counts_the_classes_of_a_wrapped_module() -> None:
    x = np.random.default_rng(0).random((12, 1, 8, 8), dtype=np.float32)
    plain = dd.as_classifier(small_net(), **KNOWN)
    data = dd.ImageSet(x, labels=plain(x).argmax(axis=1))
    for module in (Wrapped("dict"), Wrapped("list"), Wrapped("plain", one="assert")):
        assert dd.evaluate(module.eval(), data).clean_accuracy.value == 1
    assert dd.evaluate(lambda b: {"map": b, "scores": plain(b)}, data).clean_accuracy.value == 1
