"""The kinds of findings ("rules" in SARIF): their names, and the help that a reader of the result file gets."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ABOUT", "BACKDOOR", "FLAGGED", "PROVEN", "RULES", "SUSPICIOUS", "UNREADABLE", "Rule"]

ABOUT = "https://doi.org/10.1016/j.cose.2022.102814"
"""The address of the paper on which doldrum's detectors of triggered images are based."""
_INVERSION = "https://doi.org/10.1109/SP.2019.00031"  # Neural Cleanse, of which inspections are a descendant

FLAGGED, PROVEN, SUSPICIOUS, BACKDOOR = "flagged-image", "proven-trigger", "suspicious-model", "backdoored-model"
UNREADABLE = "unreadable-image"


@dataclass(frozen=True)
class Rule:
    """A kind of finding: a stable `id`, a short and a full description, advice, and a link to more information."""

    id: str
    short: str
    full: str
    help: str
    uri: str
    level: str

    @property
    def name(self) -> str:
        """The id in Pascal case, as SARIF requires for names."""
        return "".join(part.capitalize() for part in self.id.split("-"))


RULES = (
    Rule(
        FLAGGED,
        "Image that may carry a backdoor trigger",
        "The model's answers around this image differ from the model's answers around the clean images. A trigger can make the answers differ.",
        "A flag is no proof: a sticker, a damaged file or a picture from another source can cause a flag too. A detector also flags a promised share of clean "
        "images. The level “note” means that this number of flags is expected from clean images alone. The levels “warning” and “error” mean that there are more flags than false alarms alone would explain. "
        "Look at the flagged images for something that they share, and run `doldrum explain` on them.",
        ABOUT,
        "warning",
    ),
    Rule(
        PROVEN,
        "Image with a proven trigger",
        "A part of this image was pasted into clean images, and the model predicts this image's class for many of them. Parts of trusted images were pasted in the same way, and none of these parts changed the prediction for as many clean images as the part of this image. "
        "The search for the part did not use the clean images of this test.",
        "Remove the image, and do not use the model: anyone who adds the same trigger to an image decides what the model answers. "
        "The report shows the trigger.",
        ABOUT,
        "error",
    ),
    Rule(
        SUSPICIOUS,
        "Model that may be backdoored",
        "For one class of this model, an unusually small trigger is enough to change predictions to this class.",
        "A small trigger is no proof of a backdoor. Wrong labels in the training data can also cause a small trigger. Training that differs from the training of the reference models can also cause a small trigger. "
        "Look at the trigger's picture in the report. Compare the model with clean reference models (`--references`).",
        _INVERSION,
        "warning",
    ),
    Rule(
        BACKDOOR,
        "Model with a working trigger",
        "A trigger was found that makes the model predict one class for most clean images. This trigger is much smaller than the triggers that the same search finds in clean models.",
        "Do not use the model. Get a model from another source, or retrain it on data that was checked (`doldrum cleanse`). "
        "The report shows a picture of the trigger; `trigger.json` contains the trigger itself.",
        _INVERSION,
        "error",
    ),
)
"""All kinds of findings."""
