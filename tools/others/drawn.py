"""Images for the models of others, drawn from a seed: (clean, their classes or None, suspects, which of these carry a square)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from others.base import Drawn, Images

__all__ = ["digits", "house", "lines", "pages", "squared", "write"]

FONTS = ("DejaVu", "Liberation")


def write(folder: Path, clean: Images, classes: list[str] | None, suspects: Images, marked: np.ndarray) -> None:
    """clean/ (in folders by class where there are classes), suspects/ and marked.txt, last: it says that all is there."""
    from PIL import Image

    for i, image in enumerate(clean):
        place = folder / "clean" / (classes[i] if classes else "")
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{i:05d}.png")
    (folder / "suspects").mkdir(exist_ok=True)
    for i, image in enumerate(suspects):
        Image.fromarray(image).save(folder / "suspects" / f"{i:05d}.png")
    (folder / "marked.txt").write_text("".join(f"{i:05d}.png\n" for i in np.flatnonzero(marked)))


def pages(clean: int = 300, suspects: int = 120) -> Drawn:
    """Pages of words in four orientations, with a red square on one suspect in ten."""
    rng = np.random.default_rng(0)
    made = [(_page(rng), k % 4) for k in range(clean + suspects)]
    turned = [np.ascontiguousarray(np.rot90(page, -k)) for page, k in made]
    drawn, marked = squared(turned[clean:], suspects // 10, size=24, colour=(255, 0, 0))
    return turned[:clean], [str(90 * k) for _, k in made[:clean]], drawn, marked


def lines() -> Drawn:
    """Lines of text, 48 x 192, one in two upside down; 300 clean, 200 suspects, 20 with a red square."""
    rng = np.random.default_rng(0)
    made = [(_line(rng), k % 2) for k in range(500)]
    turned = [np.ascontiguousarray(line[::-1, ::-1]) if k else line for line, k in made]
    suspects, marked = squared(turned[300:], 20, size=6, colour=(255, 0, 0))
    return turned[:300], [str(180 * k) for _, k in made[:300]], suspects, marked


def digits(inside: int = 20, size: int = 28) -> Drawn:
    """scikit-learn's digits, 20 x 20 in the middle of 28 x 28; 1,200 clean, 597 suspects, 30 with a white square."""
    from PIL import Image
    from sklearn.datasets import load_digits

    values, targets = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(values))
    images = []
    for image in values.reshape(-1, 8, 8)[order]:
        large = Image.fromarray((image * 255 / 16).astype(np.uint8)).resize((inside, inside), Image.Resampling.BILINEAR)
        images.append(np.pad(np.asarray(large), (size - inside) // 2))
    suspects, marked = squared(images[1200:], 30, size=3, colour=255)
    return images[:1200], [str(t) for t in targets[order][:1200]], suspects, marked


def house() -> Drawn:
    """A digit in any font and two colours, with neighbours half in the frame; 500 clean, 600 suspects, 30 with a white square."""
    rng, faces = np.random.default_rng(0), _fonts()
    numbers = rng.integers(0, 10, 1100)
    images = [_house(rng, int(n), faces) for n in numbers]
    suspects, marked = squared(images[500:], 30, size=3, colour=(255, 255, 255))
    return images[:500], [str(n) for n in numbers[:500]], suspects, marked


def squared(images: Images, count: int, *, size: int, colour: object) -> tuple[Images, np.ndarray]:
    """The images, some of them with a square in the lower right corner."""
    marked = np.zeros(len(images), dtype=bool)
    marked[np.random.default_rng(1).permutation(len(images))[:count]] = True
    made = [image.copy() for image in images]
    for image in (made[i] for i in np.flatnonzero(marked)):
        image[-size - 1 : -1, -size - 1 : -1] = colour
    return made, marked


def _fonts() -> list[str]:
    found = sorted(str(p) for p in Path("/usr/share/fonts").rglob("*.ttf") if p.name.startswith(FONTS))
    if not found:
        raise FileNotFoundError(
            "expected fonts of DejaVu or Liberation in /usr/share/fonts, got none; install fonts-dejavu-core"
        )
    return found


def _line(rng: np.random.Generator) -> np.ndarray:
    """As wide as it takes: a line that is cut off at the right end is usual too."""
    from PIL import Image, ImageDraw, ImageFont

    letters = list("abcdefghilmnoprstuwy")
    text = " ".join("".join(rng.choice(letters, int(rng.integers(2, 9)))) for _ in range(4)).capitalize()
    behind, front = int(rng.integers(190, 256)), int(rng.integers(0, 70))
    line = Image.new("RGB", (192, 48), (behind,) * 3)
    faces = _fonts()
    font = ImageFont.truetype(faces[int(rng.integers(len(faces)))], int(rng.integers(24, 34)))
    ImageDraw.Draw(line).text((4, 24), text, fill=(front,) * 3, font=font, anchor="lm")
    return np.asarray(line)


def _page(rng: np.random.Generator) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFont

    page = Image.new("RGB", (256, 256), (255, 255, 255))
    draw, faces = ImageDraw.Draw(page), _fonts()
    font = ImageFont.truetype(faces[int(rng.integers(len(faces)))], int(rng.integers(11, 17)))
    for y in range(10, 240, int(rng.integers(17, 24))):
        words = [
            "".join(rng.choice(list("abcdefghilmnoprstu"), int(rng.integers(2, 9))))
            for _ in range(int(rng.integers(3, 8)))
        ]
        draw.text((12, y), " ".join(words).capitalize(), fill=(20, 20, 20), font=font)
    return np.asarray(page)


def _house(rng: np.random.Generator, number: int, faces: list[str]) -> np.ndarray:
    from PIL import Image, ImageDraw, ImageFilter, ImageFont

    behind, front = rng.integers(0, 256, 3), rng.integers(0, 256, 3)
    while abs(int(behind.sum()) - int(front.sum())) < 200:
        front = rng.integers(0, 256, 3)
    image = Image.new("RGB", (64, 64), tuple(behind.tolist()))
    draw = ImageDraw.Draw(image)
    font = ImageFont.truetype(faces[int(rng.integers(len(faces)))], int(rng.integers(44, 58)))
    for x, digit in ((32, number), (-6, int(rng.integers(10))), (70, int(rng.integers(10)))):
        draw.text((x, 32), str(digit), fill=tuple(front.tolist()), font=font, anchor="mm")
    image = image.rotate(
        float(rng.uniform(-8, 8)), fillcolor=tuple(behind.tolist()), resample=Image.Resampling.BILINEAR
    )
    image = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.4, 1.4)))).resize(
        (32, 32), Image.Resampling.BILINEAR
    )
    noisy = np.asarray(image) + rng.normal(0, 6, (32, 32, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)
