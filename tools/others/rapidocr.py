"""rapidocr: whether a line of text is upside down, 2 classes. ONNX whose batch, height and width are open (-1 and ?).

A line narrower than 192 gets zeros on the right, after normalising; the lines here fill it.
"""

from __future__ import annotations

from pathlib import Path

from others import drawn
from others.base import Other

__all__ = ["OTHERS"]


def _own(files: list[Path]) -> list[int]:
    import cv2
    from omegaconf import OmegaConf
    from rapidocr.ch_ppocr_cls import TextClassifier
    from rapidocr.main import root_dir
    from rapidocr.utils.parse_parameters import ParseParams

    config = ParseParams.load(root_dir / "config.yaml")
    config.Cls.engine_cfg = config.EngineConfig[config.Cls.engine_type.value]
    config.Cls.model_root_dir = root_dir / "models"
    OmegaConf.set_readonly(config, False)
    answers = TextClassifier(config.Cls)([cv2.imread(str(file)) for file in files]).cls_res
    return [("0", "180").index(label) for label, _ in answers]


OTHERS = {
    "lines": Other(
        "rapidocr==3.10.0", "Apache-2.0", "rapidocr/models/ch_ppocr_mobile_v2.0_cls_mobile.onnx",
        {"size": (48, 192), "channels": "bgr", "mean": 0.5, "std": 0.5}, drawn.lines, _own,
        needs=(
            "opencv-python-headless<4.11", "numpy<2", "onnxruntime<1.24", "pillow", "omegaconf", "pyclipper", "shapely", "colorlog", "requests",
            "six", "tqdm",
        ),
    ),
}  # fmt: skip
