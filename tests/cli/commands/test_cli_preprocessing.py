"""The table and the JSON of a check of preprocessing."""

import io
import json
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from rich.console import Console

from doldrum.classifiers import as_classifier
from doldrum.cli.clean_sample import clean_sample
from doldrum.cli.commands.preprocessing import (
    look_at_preprocessing,
    preprocessing_lines,
    preprocessing_table,
    preprocessing_values,
)
from doldrum.cli.output import plain
from doldrum.errors import InputError
from doldrum.suspects import Preprocessing, Suspect
from doldrum.suspects.preprocessing_check import check_preprocessing


def check(*, labelled):
    """Six classes, by which row is bright, of a model that wants 0 to 255 and was opened as [0, 1]."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 6, 200)
    images = draw.uniform(0, 0.2, (200, 1, 6, 6)).astype(np.float32)
    images[np.arange(200), 0, labels] += 0.7
    model = as_classifier(lambda x: (x[:, 0].mean(2) > 100) * 1.0, input_shape=(1, 6, 6), num_classes=6)
    return check_preprocessing(model, Preprocessing(size=6, channels="grey"), images, labels if labelled else None)


def shown(found):
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(preprocessing_table(found))
    return console.export_text()


def test_the_table_says_what_the_check_found():
    text = shown(check(labelled=True))
    first = next(line for line in text.splitlines() if "[0, 255]" in line)
    assert "100.0% (98%-100%)" in first
    assert "6 of 6" in first
    assert "[0, 1] (as opened)" in text
    assert "200 labelled clean images (3,000 forward passes)" in text


def test_the_best_rows_flags_are_a_line_of_their_own():
    found = check(labelled=True)
    lines = preprocessing_lines(found)
    assert lines[lines.index("options for [0, 255]:") + 1] == "--scale 255 --mean 0 --std 1" == found.best.flags
    assert lines.count("--scale 255 --mean 0 --std 1") == 1
    told = " ".join(next(line for line in lines if line.startswith("[0, 255] fits best: the preprocessing")).split())
    assert "As the model was opened ([0, 1]), the model is right on" in told
    assert "With --scale 255 --mean 0 --std 1 the model is right on 100%." in told
    assert "near tie" not in "".join(lines).lower()


def test_near_ties_are_called_so_and_a_clear_loser_is_not():
    """The class is which row is bright: every scale shows it to an argmax over rows, but not to one that cuts below 100."""
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 6, 200)
    images = draw.uniform(0, 0.2, (200, 1, 6, 6)).astype(np.float32)
    images[np.arange(200), 0, labels] += 0.7
    model = as_classifier(lambda x: x[:, 0].mean(2), input_shape=(1, 6, 6), num_classes=6)
    found = check_preprocessing(model, Preprocessing(size=6, channels="grey"), images, labels)
    assert found.best.opened
    assert all(row.tied for row in found.rows[1:])
    assert "Near ties (candidates that differ from the best by less than the uncertainty) are: " in found.verdict
    assert not any(
        line.startswith("options for") for line in preprocessing_lines(found)
    )  # it is right as it was opened
    assert not any(row.tied for row in check(labelled=True).rows)


def test_flags_of_near_ties_of_a_better_row_are_there_too():
    found = check(labelled=True)
    tie = replace(found.rows[2], tied=True, flags="--mean 0.1307 --std 0.3081", name="some other")
    lines = preprocessing_lines(replace(found, rows=(found.rows[0], tie, *found.rows[1:])))
    assert lines[lines.index("options for some other (near tie):") + 1] == "--mean 0.1307 --std 0.3081"


def test_a_model_that_guesses_under_every_candidate_is_not_called_right():
    draw = np.random.default_rng(0)
    images = draw.uniform(0, 1, (200, 1, 6, 6)).astype(np.float32)
    model = as_classifier(lambda x: x[:, 0].mean(2), input_shape=(1, 6, 6), num_classes=6)
    found = check_preprocessing(model, Preprocessing(size=6, channels="grey"), images, draw.integers(0, 6, 200))
    assert found.verdict.startswith("No candidate preprocessing makes the model accurate: accuracy is at most ")


def test_without_labels_there_is_no_accuracy():
    text = shown(check(labelled=False))
    assert "accuracy" not in text
    assert "unlabelled" in text


def test_the_json_can_be_read_back():
    found = check(labelled=True)
    values = json.loads(json.dumps(plain(preprocessing_values(found)), allow_nan=False))
    assert values["shown"] is True
    assert values["rows"][0]["flags"] == found.best.flags
    assert values["rows"][0]["accuracy"]["value"] == 1
    assert values["rows"][0]["preprocessing"]["scale"] == 255
    assert len(values["rows"]) == 5


class TestLook:
    """Images of two squares side by side, 4 x 8: cropped to the middle both halves are seen, and stretched they are narrow."""

    def opened(self, *, names=None):
        model = as_classifier(
            lambda x: np.stack([x[:, 0].mean((1, 2)), x[:, 2].mean((1, 2))], 1), input_shape=(3, 4, 4), num_classes=2
        )
        return Suspect(classifier=model, format="onnx", preprocessing=Preprocessing(size=4), class_names=names)

    def written(self, folder, count=12, *, wide=8):
        for name, colour in (("red", (200, 30, 30)), ("blue", (30, 30, 200))):
            (folder / name).mkdir()
            for k in range(count):
                Image.new("RGB", (wide, 4), colour).save(folder / name / f"{k}.png")

    def test_folders_are_classes_by_the_models_names(self, tmp_path, capsys):
        self.written(tmp_path)
        found = look_at_preprocessing(self.opened(names=("Red", "Blue")), str(tmp_path))
        assert (found.images, found.labelled, found.opened.accuracy.value) == (24, True, 1)
        assert {row.resize for row in found.rows} == {"stretch"}  # of one colour: stretched and cropped are the same
        assert "matched to the model's class names" in capsys.readouterr().err

    def test_folders_of_other_names_are_no_labels(self, tmp_path, capsys):
        self.written(tmp_path)
        found = look_at_preprocessing(self.opened(names=("cat", "dog")), str(tmp_path))
        assert not found.labelled
        assert "accuracy is not compared" in capsys.readouterr().err

    def test_both_ways_to_resize_where_they_differ(self, tmp_path):
        draw = np.random.default_rng(0)
        for k in range(20):
            Image.fromarray(draw.integers(0, 256, (4, 8, 3), np.uint8)).save(tmp_path / f"{k}.png")
        assert {row.resize for row in look_at_preprocessing(self.opened(), str(tmp_path)).rows} == {"stretch", "crop"}

    def test_a_sample_is_drawn_from_all_of_them(self, tmp_path):
        self.written(tmp_path, 40)
        found = clean_sample(str(tmp_path), self.opened(names=("red", "blue")), resize="stretch", most=20)
        assert found.images["stretch"].shape == (20, 3, 4, 4)
        assert 4 < (found.labels == 0).sum() < 16
        colours = found.images["stretch"][:, 0, 0, 0]
        np.testing.assert_array_equal(colours == 200, found.labels == 0)  # labels stay with their images

    def test_a_data_set_by_name(self):
        model = as_classifier(lambda x: x.reshape(len(x), -1)[:, :10], input_shape=(1, 8, 8), num_classes=10)
        opened = Suspect(classifier=model, format="onnx", preprocessing=Preprocessing(size=8, channels="grey"))
        found = clean_sample("digits:test", opened, resize="crop", most=5)
        assert found.images["crop"].shape == (5, 1, 8, 8)
        assert found.labels.shape == (5,)

    def test_nothing_to_read_is_said(self, tmp_path):
        (tmp_path / "a.png").write_bytes(b"not an image")
        with pytest.raises(InputError, match="expected clean images in"):
            clean_sample(str(tmp_path), self.opened(), resize="stretch", most=5)


@pytest.mark.parametrize("turned", [0, 1])
def test_labels_in_another_order_are_warned_of_above_the_table(tmp_path, capsys, turned):
    draw = np.random.default_rng(0)
    labels = draw.integers(0, 6, 200)
    images = draw.integers(0, 50, (200, 1, 6, 6)).astype(np.uint8)
    images[np.arange(200), 0, labels] += 180
    np.savez(tmp_path / "clean.npz", images=images, labels=(labels + turned) % 6)
    model = as_classifier(lambda x: x[:, 0].mean(2), input_shape=(1, 6, 6), num_classes=6)
    suspect = Suspect(classifier=model, format="onnx", preprocessing=Preprocessing(size=6, channels="grey"))
    look_at_preprocessing(suspect, str(tmp_path / "clean.npz"))
    told = capsys.readouterr().err
    assert ("warning: expected labels in the model's order of classes" in told) == bool(turned)
