"""Where reference data comes from: each source yields `softmode.material.Material`, read when asked for."""

from softmode.datasets.atom_map import map_atoms
from softmode.datasets.base import Dataset, DatasetInfo, MaterialEntry, Selection, select
from softmode.datasets.catalog import known_datasets, open_dataset, open_reference
from softmode.datasets.prototypes import PROTOTYPES, Classification, classify

__all__ = [
    "PROTOTYPES",
    "Classification",
    "Dataset",
    "DatasetInfo",
    "MaterialEntry",
    "Selection",
    "classify",
    "known_datasets",
    "map_atoms",
    "open_dataset",
    "open_reference",
    "select",
]
