"""Harmonic measurements in a cell (one material, one potential): loaded objects to values and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy

from softmode import harmonic as hm
from softmode.errors import RelaxationError, SoftmodeError
from softmode.material import Cell, DisplacementForces, ForceConstants, Material, NonAnalyticalCorrection
from softmode.potentials.base import evaluation_failure
from softmode.study.context import CellContext, Result

#: Path and mesh figures kept from each comparison, with the unit in the name of the column.
COMPARISON_UNITS = {
    "rmse_w2": "THz2",
    "rmse_vg": "THzA",
    "mae_vg": "THzA",
    "rmse_frequency": "THz",
    "mean_frequency_reference": "THz",
    "mean_frequency_model": "THz",
    "bandwidth_reference": "THz",
    "bandwidth_model": "THz",
    "lowest_reference": "THz",
    "lowest_model": "THz",
}


#: By how much the volume may change when a structure is relaxed, and one that was built from ionic radii.
_VOLUME_RATIO, _GUESS_VOLUME_RATIO = 1.5, 2.0


def displaced_forces(context: CellContext) -> Result:
    """Forces on the displaced supercells of the dispersion comparison (and on the perfect one)."""
    return forces_at(context, context.protocol.dispersion_displacement, relax=context.protocol.relax)


def displaced_forces_for_sigma(context: CellContext) -> Result:
    """Forces on the displaced supercells from which the force constants used in σ are made.

    Never relaxed: they multiply displacements from the reference's own supercell.
    """
    return forces_at(context, context.protocol.sigma_displacement, relax=False)


def forces_at(context: CellContext, distance: float, *, relax: bool) -> Result:
    """Forces of the potential on symmetry-reduced displaced supercells (and on the perfect one).

    Parameters
    ----------
    context : CellContext
        Material and potential.
    distance : float
        Length of the displacements, Å.
    relax : bool
        Relax the crystal with the potential first.
    """
    material, phonon = context.material, context.phonon
    context.potential.check_elements([material.unitcell.to_atoms()])
    if relax:
        material = _relaxed(material, context)
        phonon = hm.build_phonopy(material)
    plan = hm.plan_displacements(phonon, distance)
    evaluation = context.potential.evaluate([plan.perfect, *plan.supercells()])
    forces = evaluation.stacked_forces()
    return Result(
        values={
            "n_supercells": len(plan.displacements),
            "n_supercell_atoms": len(plan.perfect),
            "residual_force_eV_per_A": float(np.linalg.norm(forces[0], axis=1).max()),
            "energy_per_atom_eV": float(evaluation.energies[0] / len(plan.perfect)),
            "lattice_ratio": _lattice_ratio(context.material, material),
        },
        arrays={
            "displacements": plan.displacements,
            "forces": forces[1:],
            "perfect_forces": forces[0],
            "energies": evaluation.energies,
            "unitcell_lattice": np.array(material.unitcell.lattice),
            "unitcell_scaled_positions": np.array(material.unitcell.scaled_positions),
        },
    )


def _relaxed(material: Material, context: CellContext) -> Material:
    guessed = material.tags.get("structure_source", "file") != "file"
    try:
        cell = hm.relax_cell(
            material.unitcell,
            context.potential.calculator(),
            fmax=context.protocol.relax_fmax,
            largest_volume_ratio=_GUESS_VOLUME_RATIO if guessed else _VOLUME_RATIO,
        )
    except RelaxationError as error:
        subject = f"{material.name} with {context.potential.info.name}"
        raise RelaxationError(subject, f"the relaxation {error.problem}", error.remedy) from error
    except SoftmodeError:
        raise
    except Exception as error:
        raise evaluation_failure(
            context.potential.info.name, error, f"the relaxation of {material.name}"
        ) from error
    return hm.with_cell(material, cell)


def _lattice_ratio(reference: Material, model: Material) -> float:
    """Model over reference lattice constant, by volume."""
    volumes = [abs(np.linalg.det(item.unitcell.lattice)) for item in (reference, model)]
    return float((volumes[1] / volumes[0]) ** (1.0 / 3.0))


def evaluated_structure(material: Material, arrays: Mapping[str, NDArray[Any]]) -> Material:
    """Material in the structure the potential was evaluated on (the given one, unless relaxed).

    Parameters
    ----------
    material : Material
        In the structure it was given in.
    arrays : mapping of str to array
        Of a record of displaced forces.
    """
    cell = material.unitcell
    lattice, positions = arrays["unitcell_lattice"], arrays["unitcell_scaled_positions"]
    if np.array_equal(lattice, cell.lattice) and np.array_equal(positions, cell.scaled_positions):
        return material
    return hm.with_cell(material, Cell(lattice, positions, cell.numbers, cell.masses))


@dataclass(frozen=True, eq=False)
class _Side:
    """One side of the comparison: a crystal and its force constants."""

    phonon: Phonopy
    force_constants: ForceConstants
    nac: NonAnalyticalCorrection | None

    @cached_property
    def matrix(self) -> hm.RealSpaceDynamicalMatrix:
        """Force constants sorted by lattice vector."""
        return hm.real_space_dynamical_matrix(self.phonon, self.force_constants)

    def at(self, where: hm.BandPath | hm.QMesh) -> hm.Dispersion:
        """Phonons on a path or mesh."""
        if self.nac is not None:
            points = where if isinstance(where, hm.BandPath) else where.points
            return hm.dispersion_with_nac(self.phonon, self.force_constants, self.nac, points)
        return hm.compute_dispersion(self.matrix, where.points)


def _named_values(comparison: hm.HarmonicComparison, where: str) -> dict[str, Any]:
    """Scalars of a comparison, named with where they were taken and their unit."""
    named: dict[str, Any] = {}
    for name, value in asdict(comparison).items():
        if isinstance(value, np.ndarray):
            continue
        unit = COMPARISON_UNITS.get(name)
        named[f"{where}_{name}_{unit}" if unit else f"{where}_{name}"] = value
    named[f"{where}_stability_agrees"] = comparison.stability_agrees
    return named


def harmonic(context: CellContext) -> Result:
    """Phonons of potential and reference on the band path and on a mesh, compared."""
    protocol, phonon = context.protocol, context.phonon
    forces = context.records["displaced_forces"].arrays
    model_material = evaluated_structure(context.material, forces)
    model_phonon = phonon if model_material is context.material else hm.build_phonopy(model_material)
    raw_reference = hm.reference_force_constants(phonon, context.material)
    raw_model = hm.force_constants_from_forces(
        model_phonon, DisplacementForces(forces["displacements"], forces["forces"])
    )
    nac = context.material.nac if protocol.nac == "reference" else None
    keep = not protocol.symmetrise
    reference = _Side(phonon, raw_reference if keep else hm.symmetrised(phonon, raw_reference), nac)
    model = _Side(model_phonon, raw_model if keep else hm.symmetrised(model_phonon, raw_model), nac)
    path = hm.band_path(phonon, protocol.points_per_segment)
    mesh = hm.q_mesh(phonon, protocol.mesh_length)
    bands_reference, bands_model = reference.at(path), model.at(path)
    on_path = hm.compare(bands_reference, bands_model, imaginary_tolerance=protocol.imaginary_tolerance)
    on_mesh = hm.compare(
        reference.at(mesh),
        model.at(mesh),
        weights=mesh.weights,
        imaginary_tolerance=protocol.imaginary_tolerance,
    )
    return Result(
        values={
            **_named_values(on_path, "path"),
            **_named_values(on_mesh, "mesh"),
            "mesh_divisions": list(mesh.divisions),
            "asr_reference_eV_per_A2": hm.acoustic_sum_rule_violation(phonon, raw_reference),
            "asr_model_eV_per_A2": hm.acoustic_sum_rule_violation(model_phonon, raw_model),
            "path_segments": [list(segment) for segment in path.segments],
            "points_per_segment": path.points_per_segment,
            "nac": _nac_statement(context.material, protocol),
        },
        arrays={
            "qpoints": path.points,
            "distances": path.distances,
            "frequencies_reference": bands_reference.frequencies,
            "frequencies_model": bands_model.frequencies,
            "band_rmse_w2_path": on_path.band_rmse_w2,
            "band_rmse_w2_mesh": on_mesh.band_rmse_w2,
        },
    )


def _nac_statement(material: Material, protocol: hm.HarmonicProtocol) -> str:
    if material.nac is None:
        return "none"
    return "reference Born charges on both sides" if protocol.nac == "reference" else "available, not used"
