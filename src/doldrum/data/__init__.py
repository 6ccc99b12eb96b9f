"""Images with labels, ids and class names; one reader a file."""

from doldrum.data.arrays import read_array
from doldrum.data.convert import as_nchw, to_float
from doldrum.data.fashion import fashion_mnist
from doldrum.data.folder import ImageRead, read_folder
from doldrum.data.image_file import read_image
from doldrum.data.imageset import ImageSet
from doldrum.data.registry import DATASETS, DatasetStatus, dataset_status, load_dataset, read_images
from doldrum.data.sklearn_digits import digits

__all__ = [
    "DATASETS",
    "DatasetStatus",
    "ImageRead",
    "ImageSet",
    "as_nchw",
    "dataset_status",
    "digits",
    "fashion_mnist",
    "load_dataset",
    "read_array",
    "read_folder",
    "read_image",
    "read_images",
    "to_float",
]
