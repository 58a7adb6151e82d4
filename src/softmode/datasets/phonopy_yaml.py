"""phonopy's own YAML files: phonopy.yaml, phonopy_params.yaml, phonopy_disp.yaml."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from phonopy.interface.phonopy_yaml import PhonopyYamlLoader
from phonopy.physical_units import CalculatorPhysicalUnits, get_calculator_physical_units

from softmode.crystal import Cell, DisplacementForces, NonAnalyticalCorrection
from softmode.crystal.arrays import FloatArray
from softmode.datasets.assemble import CrystalFiles, FileForceConstants
from softmode.datasets.formats import NAC_FACTOR, expand_displacements
from softmode.datasets.limits import check_supercell, load_yaml
from softmode.datasets.reading import naming, reading
from softmode.errors import InputDataError


def parse_phonopy_yaml(text: str, subject: str) -> CrystalFiles:
    """Read phonopy's YAML, displacement datasets of both types and units of every calculator included.

    Parameters
    ----------
    text : str
        The file.
    subject : str
        Its name, for errors.

    Raises
    ------
    InputDataError
        If it is no YAML, cut short, or lacks the unit cell or the supercell matrix.
    """
    remedy = "write it again with phonopy (Phonopy.save), or fetch it again"
    with reading(subject, "this is not readable YAML (cut short?)", remedy):
        raw = load_yaml(text, subject)
    if not isinstance(raw, dict) or "unit_cell" not in raw:
        raise InputDataError(subject, "it holds no unit_cell: this is no phonopy.yaml", remedy)
    if "supercell_matrix" not in raw:
        raise InputDataError(subject, "it holds no supercell_matrix", remedy)
    with reading(subject, "its contents are not those of a phonopy.yaml (cut short?)", remedy):
        data = PhonopyYamlLoader(raw).parse().data
        units = get_calculator_physical_units(data.calculator)
        _check_dataset_complete(data.dataset, subject)
        length = float(units.distance_to_A)
        with naming(subject):
            supercell = None if data.supercell is None else Cell.from_phonopy(data.supercell, length)
            unitcell = Cell.from_phonopy(data.unitcell, length)
            matrix = np.array(data.supercell_matrix, dtype=np.int64).reshape(3, 3)
            check_supercell(subject, unitcell.n_atoms, matrix)
            n_atoms = unitcell.n_atoms * round(abs(float(np.linalg.det(matrix))))
            displacements, forces = _dataset(data.dataset, n_atoms, units, subject)
            reference: DisplacementForces | FileForceConstants | None = None
            if displacements is not None and forces is not None:
                reference = DisplacementForces(displacements, forces)
            elif data.force_constants is not None:
                values = np.asarray(data.force_constants, dtype=np.float64) * _force_constants_unit(units)
                reference = FileForceConstants(values, first_atoms=True)
            return CrystalFiles(
                unitcell=unitcell,
                supercell_matrix=matrix,
                primitive_matrix=data.primitive_matrix,
                supercell=supercell,
                displacements=displacements,
                reference=reference,
                nac=_nac(data.nac_params, units),
                supercell_source=f"{subject}, supercell",
                reference_source=subject,
            )


def _check_dataset_complete(dataset: Any, subject: str) -> None:
    """Refuse what phonopy does not check: every displaced supercell has its forces once one has."""
    if dataset is None or "first_atoms" not in dataset:
        return
    given = ["forces" in one for one in dataset["first_atoms"]]
    if any(given) and not all(given):
        raise InputDataError(
            subject,
            f"forces are missing for displaced supercell {given.index(False) + 1} of {len(given)}",
            "write the file again with phonopy (Phonopy.save), or fetch it again",
        )


def _dataset(
    dataset: Any, n_atoms: int, units: CalculatorPhysicalUnits, subject: str
) -> tuple[FloatArray | None, FloatArray | None]:
    """Displacements (Å) and forces (eV/Å) of either type, (n, n_atoms, 3); what is absent is None."""
    if dataset is None:
        return None, None
    if "first_atoms" in dataset:
        moved = dataset["first_atoms"]
        atoms = [one["number"] for one in moved]
        if not all(0 <= atom < n_atoms for atom in atoms):
            raise InputDataError(
                subject,
                f"a displaced atom is not one of the {n_atoms} of the supercell",
                "write the file again",
            )
        displacements = expand_displacements(atoms, [one["displacement"] for one in moved], n_atoms)
        given: ArrayLike | None = [one["forces"] for one in moved] if "forces" in moved[0] else None
    else:
        displacements = np.asarray(dataset.get("displacements"), dtype=np.float64)
        given = dataset.get("forces")
    forces = None if given is None else np.asarray(given, dtype=np.float64)
    for what, array in (("displacements", displacements), ("forces", forces)):
        if array is not None and array.shape[1:] != (n_atoms, 3):
            raise InputDataError(
                subject,
                f"{what} of shape {array.shape}, but the supercell has {n_atoms} atoms",
                "check that structure, supercell matrix and forces belong together",
            )
    return (
        displacements * float(units.distance_to_A),
        None if forces is None else forces * float(units.force_to_eVperA),
    )


def _force_constants_unit(units: CalculatorPhysicalUnits) -> float:
    """eV/Å² in one unit of a calculator's force constants: its force per its displacement."""
    return float(units.force_to_eVperA / units.distance_to_A)


def _nac(params: Any, units: CalculatorPhysicalUnits) -> NonAnalyticalCorrection | None:
    """The unit factor is energy × length of the calculator's units; in eV Å after conversion."""
    if params is None:
        return None
    # The factor multiplies e²/volume to force constants: it scales as force constant × volume.
    scale = _force_constants_unit(units) * float(units.distance_to_A) ** 3
    factor = params.get("factor")
    return NonAnalyticalCorrection(
        born_charges=params["born"],
        dielectric=params["dielectric"],
        unit_factor=NAC_FACTOR if factor is None else float(factor) * scale,
    )
