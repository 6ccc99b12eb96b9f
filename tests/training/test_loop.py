"""The loop: learns, repeats itself bit for bit, resumes after a kill, says what is wrong."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from sklearn.datasets import load_digits

from doldrum.errors import InputError
from doldrum.training import RECIPES, Recipe, TrainingHook, accuracy, predict_labels, train
from doldrum.training.batches import augment, epoch_batches

CNN = replace(RECIPES["digits-cnn"], epochs=2.5, shift=1, threads=1)
MLP = replace(RECIPES["digits-mlp"], epochs=3, threads=1)


@dataclass
class Data:
    images: np.ndarray
    labels: np.ndarray

    def content_hash(self) -> str:
        return str(self.images.sum())


def digits(count: int = 1000) -> Data:
    bunch = load_digits()
    return Data((bunch.images[:count, None] * 15.9).astype(np.uint8), bunch.target[:count])


def test_it_learns_digits_it_has_not_seen():
    bunch = load_digits()
    model = train(digits(1400), replace(RECIPES["digits-mlp"], threads=1), progress=False)
    test = Data((bunch.images[1400:, None] * 15.9).astype(np.uint8), bunch.target[1400:])
    assert accuracy(model, test) > 0.9
    assert accuracy(model.module, test) == accuracy(model, test)
    assert [line["epoch"] for line in model.history] == list(range(20))
    assert model.history[-1]["loss"] < model.history[0]["loss"]
    assert model.input_shape == (1, 8, 8)
    assert model.num_classes == 10
    assert not model.module.training


def test_uint8_and_float_images_train_the_same():
    data = digits(200)
    floats = Data(data.images.astype(np.float32) / np.float32(255), data.labels)
    recipe = replace(MLP, epochs=1)
    one, two = train(data, recipe, progress=False), train(floats, recipe, progress=False)
    for a, b in zip(one.module.state_dict().values(), two.module.state_dict().values(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)


_AGAIN = """
import numpy as np
from doldrum.data import ImageSet
from doldrum.training import Recipe, train
images = np.random.default_rng(0).integers(0, 256, (200, 1, 8, 8), dtype=np.uint8)
noise = ImageSet(images, labels=np.arange(200) % 10)
trained = lambda seed: train(noise, {recipe!r}, seed=seed, progress=False).fingerprint
"""  # without scikit-learn, whose import takes as long as all the rest


def test_two_processes_give_the_same_weights_and_another_seed_others():
    here, code = {}, _AGAIN.format(recipe=CNN)
    told = subprocess.run(
        [sys.executable, "-c", f"{code}print(trained(3))"], check=True, capture_output=True, text=True
    )
    other = told.stdout.strip()
    exec(code, here)
    torch.manual_seed(99)  # the caller's generator must not matter, nor be moved
    before = torch.get_rng_state()
    mine = here["trained"](3)
    assert torch.equal(torch.get_rng_state(), before)
    assert mine == other
    assert here["trained"](4) != other


class Interrupt(TrainingHook):
    """Stands for Ctrl-C in the middle of an epoch."""

    name = "noise"

    def __init__(self, at: int | None) -> None:
        self.at, self.seen = at, 0

    def on_batch(self, images, labels, generator, model):
        self.seen += 1
        if self.seen == self.at:
            raise KeyboardInterrupt
        return images + 0.1 * torch.randn(images.shape, generator=generator), labels


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_a_resumed_run_ends_with_the_same_weights(tmp_path, optimizer):
    recipe = replace(CNN, optimizer=optimizer, lr=0.01)
    data, path = digits(400), tmp_path / "run" / "resume.safetensors"
    whole = train(data, recipe, progress=False, hook=Interrupt(None))
    with pytest.raises(KeyboardInterrupt):
        train(data, recipe, progress=False, checkpoint=path, hook=Interrupt(10))
    kept = path.read_bytes()
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    resumed = train(data, recipe, progress=False, checkpoint=path, hook=Interrupt(None))
    assert resumed.fingerprint == whole.fingerprint
    assert len(resumed.history) == len(whole.history) == 3
    assert path.read_bytes() != kept
    again = train(data, recipe, progress=False, checkpoint=path, hook=Interrupt(1))  # finished: no step is taken
    assert again.fingerprint == whole.fingerprint


@pytest.mark.parametrize("change", ["seed", "recipe", "data", "hook"])
def test_a_resume_file_of_another_run_is_refused(tmp_path, change):
    data, path = digits(100), tmp_path / "resume.safetensors"
    recipe = replace(MLP, epochs=1)
    train(data, recipe, checkpoint=path, progress=False)
    with pytest.raises(InputError, match="the file of another run"):
        train(
            digits(101) if change == "data" else data,
            replace(recipe, lr=0.02) if change == "recipe" else recipe,
            seed=1 if change == "seed" else 0,
            checkpoint=path,
            progress=False,
            hook=TrainingHook() if change == "hook" else None,
        )


def test_a_broken_resume_file_is_refused(tmp_path):
    path = tmp_path / "resume.safetensors"
    path.write_bytes(b"not safetensors at all")
    with pytest.raises(InputError, match="safetensors"):
        train(digits(100), MLP, checkpoint=path, progress=False)


def test_threads_are_put_back_even_after_an_error():
    before = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        train(digits(100), replace(MLP, threads=before + 1), progress=False, hook=Interrupt(1))
    assert torch.get_num_threads() == before


def test_a_loss_that_is_not_finite_is_told():
    data = digits(100)
    broken = Data(np.full(data.images.shape, np.nan, dtype=np.float32), data.labels)
    with pytest.raises(InputError, match="finite"):
        train(broken, MLP, progress=False)


@pytest.mark.parametrize(
    ("images", "labels"),
    [
        (np.zeros((4, 8, 8), np.uint8), np.arange(4)),
        (np.zeros((4, 1, 8, 8), np.int32), np.arange(4)),
        (np.zeros((4, 1, 8, 8), np.uint8), np.arange(3)),
        (np.zeros((4, 1, 8, 8), np.uint8), np.array([0, 1, -1, 2])),
        (np.zeros((4, 1, 8, 8), np.uint8), np.zeros(4)),
        (np.zeros((4, 1, 8, 8), np.uint8), np.zeros(4, int)),
        (np.zeros((4, 1, 0, 8), np.uint8), np.arange(4)),
        (np.zeros((0, 1, 8, 8), np.uint8), np.zeros(0, int)),
    ],
)
def test_data_that_cannot_be_trained_on_is_refused(images, labels):
    with pytest.raises(InputError, match=r"expected .*, got"):
        train(Data(images, labels), MLP, progress=False)


def test_augment_moves_whole_images_by_at_most_the_shift():
    images = torch.zeros(500, 1, 7, 7)
    images[:, 0, 3, 2] = 1.0
    moved = augment(images, torch.Generator().manual_seed(0), shift=1, flip=True)
    assert torch.all(moved.sum(dim=(1, 2, 3)) == 1)
    places = {tuple(p) for p in moved[:, 0].nonzero()[:, 1:].tolist()}
    expected = {(3 + a, 2 + b) for a in (-1, 0, 1) for b in (-1, 0, 1)}
    assert places == expected | {(r, 6 - c) for r, c in expected}


def test_an_epoch_holds_every_image_once_but_for_the_rest():
    images = np.arange(103, dtype=np.uint8).reshape(-1, 1, 1, 1)
    labels = np.arange(103, dtype=np.int64)
    batches = list(
        epoch_batches(
            images, labels, batch_size=10, generator=torch.Generator().manual_seed(0), device=torch.device("cpu"),
            shift=0, flip=False,
        )
    )  # fmt: skip
    assert [len(x) for x, _ in batches] == [10] * 10
    values = torch.cat([x.flatten() for x, _ in batches]) * 255
    targets = torch.cat([y for _, y in batches])
    torch.testing.assert_close(values, targets.float())
    assert len(set(targets.tolist())) == 100


def test_predict_labels_gives_minus_one_for_what_is_not_finite():
    model = torch.nn.Flatten()
    images = np.zeros((3, 1, 1, 2), np.float32)
    images[0, 0, 0, 1], images[1, 0, 0, 1] = 1.0, np.nan
    assert predict_labels(model, images).tolist() == [1, -1, 0]


def test_the_recipe_may_name_another_network():
    model = train(digits(100), replace(MLP, epochs=1), network="fashion-cnn", progress=False)
    assert model.metadata["network"] == "fashion-cnn"
    assert Recipe(**model.metadata["recipe"]).network == "fashion-cnn"
