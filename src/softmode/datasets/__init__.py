"""Where reference data comes from: each source yields `softmode.crystal.Material`, and some a
`softmode.crystal.Trajectory` with it, read when asked for.
"""

from softmode.datasets.assemble import supercell_of
from softmode.datasets.base import (
    Dataset,
    DatasetKind,
    DatasetOptions,
    FromPaths,
    MaterialEntry,
    Selection,
    select,
)
from softmode.datasets.catalog import known_datasets, open_dataset, open_reference
from softmode.datasets.loose_files import reference_from_supercell
from softmode.datasets.phonopy_loading import reference_notes
from softmode.datasets.prototypes import PROTOTYPES, Classification, classify
from softmode.datasets.reading import fingerprint, reading
from softmode.datasets.remote import Remote
from softmode.datasets.trajectory_alignment import align_trajectory
from softmode.datasets.trajectory_files import read_trajectory

__all__ = [
    "PROTOTYPES",
    "Classification",
    "Dataset",
    "DatasetKind",
    "DatasetOptions",
    "FromPaths",
    "MaterialEntry",
    "Remote",
    "Selection",
    "align_trajectory",
    "classify",
    "fingerprint",
    "known_datasets",
    "open_dataset",
    "open_reference",
    "read_trajectory",
    "reading",
    "reference_from_supercell",
    "reference_notes",
    "select",
    "supercell_of",
]
