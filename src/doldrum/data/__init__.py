"""Images with their labels, ids and class names (`ImageSet`).

An ImageSet is a published data set (`sets`), or is read from the user's files (`readers`) or Python objects
(`streams`).

Not in this package: reading of files that may be hostile (`intake`), and poisoning. The only network traffic is the
download of a published set that the user asked for.
"""

from doldrum.data.imageset import ImageSet
from doldrum.data.readers.arrays import read_array
from doldrum.data.readers.folder import ImageRead, read_folder
from doldrum.data.readers.huggingface import from_huggingface
from doldrum.data.readers.image_file import read_image
from doldrum.data.registry import (
    DATASETS,
    DatasetStatus,
    dataset_status,
    find_dataset,
    is_dataset,
    load_dataset,
    read_images,
)
from doldrum.data.sets.cifar import cifar10, cifar100
from doldrum.data.sets.emoji_sheets import emoji
from doldrum.data.sets.fashion import fashion_mnist
from doldrum.data.sets.house_numbers import svhn
from doldrum.data.sets.imagenet import imagenet_folder, tiny_imagenet
from doldrum.data.sets.sklearn_digits import digits
from doldrum.data.sets.textures import textures
from doldrum.data.sets.traffic_signs import gtsrb
from doldrum.data.streams import Images, as_image_set, as_labelled, read_stream
from doldrum.pixels import as_nchw, to_float

__all__ = [
    "DATASETS",
    "DatasetStatus",
    "ImageRead",
    "ImageSet",
    "Images",
    "as_image_set",
    "as_labelled",
    "as_nchw",
    "cifar10",
    "cifar100",
    "dataset_status",
    "digits",
    "emoji",
    "fashion_mnist",
    "find_dataset",
    "from_huggingface",
    "gtsrb",
    "imagenet_folder",
    "is_dataset",
    "load_dataset",
    "read_array",
    "read_folder",
    "read_image",
    "read_images",
    "read_stream",
    "svhn",
    "textures",
    "tiny_imagenet",
    "to_float",
]
