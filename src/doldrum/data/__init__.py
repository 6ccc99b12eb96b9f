"""Images with labels, ids and class names; one reader a file."""

from doldrum.data.arrays import read_array
from doldrum.data.cifar import cifar10, cifar100
from doldrum.data.emoji_sheets import emoji
from doldrum.data.fashion import fashion_mnist
from doldrum.data.folder import ImageRead, read_folder
from doldrum.data.house_numbers import svhn
from doldrum.data.huggingface import from_huggingface
from doldrum.data.image_file import read_image
from doldrum.data.imagenet import imagenet_folder, tiny_imagenet
from doldrum.data.imageset import ImageSet
from doldrum.data.registry import DATASETS, DatasetStatus, dataset_status, load_dataset, read_images
from doldrum.data.sklearn_digits import digits
from doldrum.data.traffic_signs import gtsrb
from doldrum.pixels import as_nchw, to_float

__all__ = [
    "DATASETS",
    "DatasetStatus",
    "ImageRead",
    "ImageSet",
    "as_nchw",
    "cifar10",
    "cifar100",
    "dataset_status",
    "digits",
    "emoji",
    "fashion_mnist",
    "from_huggingface",
    "gtsrb",
    "imagenet_folder",
    "load_dataset",
    "read_array",
    "read_folder",
    "read_image",
    "read_images",
    "svhn",
    "tiny_imagenet",
    "to_float",
]
