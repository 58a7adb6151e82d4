"""Harmonic measurements in a cell (one material, one potential): loaded objects to values and arrays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode import harmonic as hm
from softmode.crystal import Cell, Material
from softmode.errors import RelaxationError, SoftmodeError
from softmode.harmonic.relaxation import VOLUME_RATIO
from softmode.potentials.base import evaluation_failure
from softmode.study.context import CellContext, Result
from softmode.study.scoring import force_constants_of

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


#: By how much the volume may change when a structure that was built from ionic radii is relaxed.
_GUESS_VOLUME_RATIO = 2.0


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
    material = context.material
    context.potential.check_elements([material.unitcell.to_atoms()])
    if relax:
        material = _relaxed(material, context)
        plan = hm.plan_displacements(hm.build_phonopy(material), distance)
    else:
        plan = context.work.plan(distance)
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
            largest_volume_ratio=_GUESS_VOLUME_RATIO if guessed else VOLUME_RATIO,
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
    protocol, work = context.protocol, context.work
    forces = context.records["displaced_forces"]
    model_material = evaluated_structure(context.material, forces.arrays)
    same = model_material is context.material
    model_phonon = work.phonon if same else hm.build_phonopy(model_material)
    model = work.crystal(model_phonon, force_constants_of(context, model_phonon, forces))
    path, mesh, tolerance = work.path, work.mesh, protocol.imaginary_tolerance
    bands_reference, bands_model = work.reference_on_path, model.at(path)
    on_path = hm.compare(bands_reference, bands_model, imaginary_tolerance=tolerance)
    on_mesh = hm.compare(
        work.reference_on_mesh, model.at(mesh), weights=mesh.weights, imaginary_tolerance=tolerance
    )
    return Result(
        values={
            **_named_values(on_path, "path"),
            **_named_values(on_mesh, "mesh"),
            "mesh_divisions": list(mesh.divisions),
            "asr_reference_eV_per_A2": work.reference.sum_rule_violation,
            "asr_model_eV_per_A2": model.sum_rule_violation,
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
