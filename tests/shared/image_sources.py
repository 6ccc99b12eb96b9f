"""The same images in every kind of object that users have them in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset, TensorDataset


class Numbers(Dataset[Any]):
    """A torch Dataset of (image, label); it raises for the items in `broken`."""

    classes = ("zero", "one", "two")

    def __init__(self, images: Any, labels: Any, *, form: Callable[[Any], Any] = lambda x: x, broken: Any = ()) -> None:
        self.images, self.labels, self.form, self.broken = images, labels, form, broken
        self.asked: list[int] = []

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, i: int) -> Any:
        self.asked.append(i)
        if i in self.broken:
            raise ValueError(f"no pixels in {i}")
        return self.form(self.images[i]), int(self.labels[i])


class Streamed(IterableDataset[Any]):
    def __init__(self, images: Any, labels: Any) -> None:
        self.rows = list(zip(images, labels, strict=True))

    def __iter__(self) -> Iterator[Any]:
        return iter(self.rows)


class Rows:
    """As much of a Hugging Face data set as is used: items, a length, features, a format."""

    def __init__(self, rows: list[dict[str, Any]], form: str | None = None) -> None:
        self.rows, self.format = rows, {"type": form}
        self.info, self.split = SimpleNamespace(dataset_name="pets"), "test"
        self.features = {"image": SimpleNamespace(), "label": SimpleNamespace(names=["zero", "one", "two"])}

    def with_format(self, form: str | None) -> Rows:
        return Rows(self.rows, form)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, i: int) -> dict[str, Any]:
        return self.rows[i] if self.format["type"] is None else {"image": "formatted", "label": 0}


class RowStream:
    """As a Hugging Face IterableDataset: it can only be gone through."""

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        self.rows = rows

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return iter(self.rows)


class Slices:
    """As an h5py or zarr array."""

    def __init__(self, images: np.ndarray) -> None:
        self.shape, self._images = images.shape, images

    def __getitem__(self, rows: slice) -> np.ndarray:
        return self._images[rows]


def picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[0] if len(image) == 1 else image.transpose(1, 2, 0))


def last(image: np.ndarray) -> np.ndarray:
    return image.transpose(1, 2, 0)


def scaled(image: np.ndarray) -> torch.Tensor:
    """As torchvision's ToTensor."""
    return torch.from_numpy(image.copy()).float().div(255)


def sources(images: np.ndarray, labels: np.ndarray) -> dict[str, Callable[[], Any]]:
    """Makers of sources of uint8 images (N, C, H, W) that have labels."""
    rows = [{"image": picture(x), "label": int(y)} for x, y in zip(images, labels, strict=True)]
    pairs = [(torch.from_numpy(x), int(y)) for x, y in zip(images, labels, strict=True)]
    return {
        "dataset of arrays": lambda: Numbers(images, labels),
        "dataset of pictures": lambda: Numbers(images, labels, form=picture),
        "dataset, channels last": lambda: Numbers(images, labels, form=last),
        "dataset of float tensors": lambda: Numbers(images, labels, form=scaled),
        "subset": lambda: Subset(Numbers(images, labels), range(len(images))),
        "tensor dataset": lambda: TensorDataset(torch.from_numpy(images), torch.from_numpy(labels)),
        "iterable dataset": lambda: Streamed(images, labels),
        "loader": lambda: DataLoader(Numbers(images, labels, form=scaled), batch_size=4),
        "loader of single items": lambda: DataLoader(Numbers(images, labels), batch_size=None),
        "loader with workers": lambda: DataLoader(Numbers(images, labels, form=last), batch_size=3, num_workers=1),
        "loader that collates lists": lambda: DataLoader(Numbers(images, labels, form=picture), 4, collate_fn=list),
        "loader that collates columns": lambda: DataLoader(
            Numbers(images, labels, form=picture), 4, collate_fn=lambda items: tuple(zip(*items, strict=True))
        ),
        "loader of a stream": lambda: DataLoader(Streamed(list(map(torch.from_numpy, images)), labels), batch_size=5),
        "list of pairs": lambda: pairs,
        "list of rows": lambda: rows,
        "hugging face": lambda: Rows(rows),
        "hugging face with a format": lambda: Rows(rows, "torch"),
        "hugging face stream": lambda: RowStream(rows),
        "generator of batches": lambda: ((images[i : i + 3], labels[i : i + 3]) for i in range(0, len(images), 3)),
        "generator of rows of batches": lambda: (
            {"image": torch.from_numpy(images[i : i + 3]), "label": labels[i : i + 3].tolist()}
            for i in range(0, len(images), 3)
        ),
    }


def unlabelled(images: np.ndarray) -> dict[str, Callable[[], Any]]:
    """Makers of sources of uint8 images (N, C, H, W) without labels."""
    return {
        "array": lambda: images,
        "tensor": lambda: torch.from_numpy(images),
        "slices": lambda: Slices(images),
        "list of pictures": lambda: [picture(x) for x in images],
        "list of arrays": lambda: list(images),
        "tuple of arrays, channels last": lambda: tuple(map(last, images)),
        "generator of images": lambda: (x for x in images),
        "iterator of batches": lambda: iter([images[:7], images[7:]]),
        "loader of images alone": lambda: DataLoader(list(images), batch_size=4),  # pyright: ignore[reportArgumentType]
        "batches of one column": lambda: DataLoader(TensorDataset(torch.from_numpy(images)), batch_size=4),
    }
