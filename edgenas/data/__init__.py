"""Data sets: named ones, files, folders and arrays; splits that keep a test set untouched. No TensorFlow."""

from edgenas.data.checks import check
from edgenas.data.dataset import Dataset, Duplicates, Normalization, Split, TrainingData
from edgenas.data.kinds import KINDS, Kind
from edgenas.data.load import balanced_weights, from_arrays, from_tf_data, load_dataset
from edgenas.data.log_mel import LogMel
from edgenas.data.named import DATASETS
from edgenas.data.reading import Reading
from edgenas.data.resize import prepare, resize
from edgenas.data.storage import load_arrays, save_arrays

__all__ = [
    "DATASETS",
    "Dataset",
    "Duplicates",
    "KINDS",
    "Kind",
    "LogMel",
    "Normalization",
    "Reading",
    "Split",
    "TrainingData",
    "balanced_weights",
    "check",
    "from_arrays",
    "from_tf_data",
    "load_arrays",
    "load_dataset",
    "prepare",
    "resize",
    "save_arrays",
]
