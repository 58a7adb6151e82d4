"""What a dataset of phonopy files is, and what can be said about it that the files do not say."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from softmode.datasets.base import DatasetInfo
from softmode.datasets.trajectory_source import ALL_FRAMES, FrameChoice, file_patterns

INFO = DatasetInfo(
    name="phonopy",
    title="Your own phonopy files",
    holds="phonopy_params.yaml / phonopy.yaml (also .xz, .gz), or folders with POSCAR and FORCE_SETS, "
    "FORCE_CONSTANTS or force_constants.hdf5; BORN when there",
    citation="yours; phonopy: A. Togo et al., J. Phys. Condens. Matter 35, 353001 (2023)",
    licence="yours",
    needs_path=True,
    options={
        "supercell_matrix": "three or nine integers, where no file gives it (DIM)",
        "primitive_matrix": "P, F, I, A, C, R, auto or nine numbers, where no file gives it (default auto)",
        "level_of_theory": "how the forces were calculated, for the tables",
        "trajectory": "file patterns in the folder of a material (MD/vasprun_*.xml*), or dataset: its own "
        "displacements and forces",
        "skip": "frames dropped at the start of each trajectory file (default 0)",
        "every": "one frame in so many is kept of the others (default 1)",
    },
)


@dataclass(frozen=True)
class PhonopyOptions:
    """What the files do not say.

    Parameters
    ----------
    supercell_matrix : tuple of int or str or None
        Three or nine integers; the files are asked where None.
    primitive_matrix : str or tuple of float or None
        A letter, ``auto`` or nine numbers; the files are asked where None, and ``auto`` is what is left.
    level_of_theory : str
        For the tables.
    trajectory : tuple of str
        Patterns of trajectory files relative to the folder of the material, or ``("dataset",)`` for the
        displacements and forces the material is made from; empty when it has none.
    frames : FrameChoice
        Which frames of each trajectory file are taken.
    """

    supercell_matrix: tuple[int, ...] | str | None = None
    primitive_matrix: str | tuple[float, ...] | None = None
    level_of_theory: str = "unknown"
    trajectory: tuple[str, ...] = ()
    frames: FrameChoice = ALL_FRAMES

    @classmethod
    def create(
        cls,
        supercell_matrix: object = None,
        primitive_matrix: object = None,
        level_of_theory: str = "unknown",
        trajectory: object = None,
        skip: object = 0,
        every: object = 1,
    ) -> PhonopyOptions:
        """Options from whatever a study file or a caller gives (nested lists, arrays, strings)."""

        def plain(value: object, kind: type) -> object:
            if value is None or isinstance(value, str):
                return value
            return tuple(kind(x) for x in np.asarray(value).ravel().tolist())

        return cls(
            supercell_matrix=plain(supercell_matrix, int),  # type: ignore[arg-type]
            primitive_matrix=plain(primitive_matrix, float),  # type: ignore[arg-type]
            level_of_theory=str(level_of_theory),
            trajectory=() if trajectory is None else file_patterns(trajectory),
            frames=FrameChoice.create(skip, every),
        )


#: The files say everything.
NO_OPTIONS = PhonopyOptions()
