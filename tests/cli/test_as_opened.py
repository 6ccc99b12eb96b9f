"""What a command says of a model that it opens, by itself or as a detector's file says."""

from __future__ import annotations

import pytest

from doldrum.cli.inputs import load_model
from doldrum.opening import ModelSettings


@pytest.mark.parametrize("guarded", [False, True])
def test_a_guard_leaves_no_choice_of_pixels_to_speak_of(model, capsys, guarded) -> None:
    suspect = load_model(ModelSettings(model=str(model)), guarded=guarded)
    suspect.classifier.close()
    assert any("set mean=" in note for note in suspect.notes)
    assert ("set --mean" in capsys.readouterr().err) != guarded
