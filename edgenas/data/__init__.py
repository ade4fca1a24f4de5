"""Data sets: named ones, files, folders and arrays; splits that keep a test set untouched. No TensorFlow."""

from edgenas.data.checks import check
from edgenas.data.dataset import Dataset, Duplicates, Normalization, Split, TrainingData
from edgenas.data.load import from_arrays, load_dataset
from edgenas.data.named import DATASETS
from edgenas.data.resize import prepare, resize
from edgenas.data.storage import load_arrays, save_arrays

__all__ = [
    "DATASETS",
    "Dataset",
    "Duplicates",
    "Normalization",
    "Split",
    "TrainingData",
    "check",
    "from_arrays",
    "load_arrays",
    "load_dataset",
    "prepare",
    "resize",
    "save_arrays",
]
