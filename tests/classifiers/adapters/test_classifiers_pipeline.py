"""Pipelines of transformers as ours: the same scores as the pipeline itself gives, from local models."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

import doldrum as dd
from doldrum.classifiers.adapters.pipeline import PipelineClassifier
from doldrum.errors import ClassifierError, InputError

transformers = pytest.importorskip("transformers")
NAMES = {0: "cat", 1: "dog", 2: "owl"}


def tiny_vit(**config):
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 16}
    options = {"image_size": 16, "patch_size": 8, "id2label": NAMES} | config
    model = ViTForImageClassification(ViTConfig(**sizes, **options))
    with torch.no_grad():
        for p in model.parameters():
            p.mul_(8)  # spreads the labels
    return model.eval()


def vit_processor(**options):
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    plain = {"size": {"height": 16, "width": 16}, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.2, 0.3, 0.25]}
    return ViTImageProcessorPil(**(plain | options))


def convnext_processor():  # resizes to more and crops the middle
    from transformers.models.convnext.image_processing_pil_convnext import ConvNextImageProcessorPil

    return ConvNextImageProcessorPil(size={"shortest_edge": 16}, crop_pct=0.5)


def made(model, processor):
    return transformers.pipeline("image-classification", model=model, image_processor=processor, device="cpu")


@pytest.fixture
def pictures():
    rng = np.random.default_rng(0)
    return [Image.fromarray(rng.integers(0, 256, (20 + i, 30, 3), dtype=np.uint8)) for i in range(8)]


@pytest.mark.parametrize(
    "processor",
    [vit_processor, convnext_processor, lambda: vit_processor(rescale_factor=1 / 127.5, do_normalize=False)],
    ids=["vit", "convnext crops", "twice the range"],
)
def test_scores_are_those_of_the_pipeline(processor, pictures):
    pipe = made(tiny_vit(), processor())
    clf = dd.as_classifier(pipe)
    assert isinstance(clf, PipelineClassifier)
    assert (clf.input_shape, clf.num_classes, clf.class_names) == ((3, 16, 16), 3, ("cat", "dog", "owl"))
    images = clf.images(pictures)
    assert images.dtype == np.uint8
    scores = torch.softmax(torch.from_numpy(clf(images.astype(np.float32) / 255)), dim=1).numpy()
    for picture, row in zip(pictures, scores, strict=True):
        answers = {answer["label"]: answer["score"] for answer in pipe(picture)}
        assert [answers[name] for name in clf.class_names] == pytest.approx(row.tolist(), abs=1e-5)
    assert np.ptp(scores, axis=0).min() > 0.01  # the pictures differ
    assert clf.images([np.asarray(p) for p in pictures]).tolist() == images.tolist()


def test_it_is_measured_like_any_other_and_from_a_folder(tmp_path, pictures):
    tiny_vit().save_pretrained(tmp_path)
    vit_processor().save_pretrained(tmp_path)
    pipe = transformers.pipeline("image-classification", model=str(tmp_path), device="cpu")
    clf = dd.as_classifier(pipe)
    assert clf.fingerprint == dd.as_classifier(made(tiny_vit(), vit_processor())).fingerprint
    probe = dd.probes.Gaussian([0.3], draws=20, seed=0)
    found = [dd.measure(clf, clf.images(pictures), probe, engine=engine) for engine in ("eager", "auto")]
    assert (found[0].draws == found[1].draws).mean() > 0.95
    assert dd.smoothness(found[0]).value.max() > 0


def test_what_does_not_fit_is_refused(pictures):
    with pytest.raises(
        InputError, match="expected a model that gives each image one of several labels, got multi_label"
    ):
        dd.as_classifier(made(tiny_vit(problem_type="multi_label_classification"), vit_processor()))
    plain = made(tiny_vit(), vit_processor())
    for options, message in (
        (
            {"input_shape": (3, 32, 32)},
            r"expected input_shape=\(3, 16, 16\), the shape that the pipeline's processor produces",
        ),
        ({"num_classes": 10}, "expected num_classes=3, as the pipeline says, got 10"),
        ({"outputs": "labels"}, "expected outputs='logits' for a pipeline"),
    ):
        with pytest.raises(InputError, match=message):
            dd.as_classifier(plain, **options)
    with pytest.raises(InputError, match="expected a Pillow image or a uint8 array"):
        dd.as_classifier(plain).images(["http://127.0.0.1/cat.png"])
    with pytest.raises(ClassifierError, match="training mode"):
        dd.as_classifier(made(tiny_vit().train(), vit_processor()))


def test_a_processor_that_does_more_is_refused():
    from transformers.models.mobilevit.image_processing_pil_mobilevit import MobileViTImageProcessorPil

    flips = MobileViTImageProcessorPil(size={"shortest_edge": 16}, crop_size={"height": 16, "width": 16})
    with pytest.raises(InputError, match="got MobileViTImageProcessorPil, which does something else to them"):
        dd.as_classifier(made(tiny_vit(), flips))


def test_a_processor_that_keeps_the_aspect_needs_a_shape(pictures):
    keeps = vit_processor(size={"shortest_edge": 16})
    pipe = made(tiny_vit(), keeps)
    try:
        clf = dd.as_classifier(pipe, input_shape=(3, 16, 16))
    except InputError as error:  # a version that squeezes it into a square
        pytest.fail(str(error))
    assert clf.input_shape == (3, 16, 16)
