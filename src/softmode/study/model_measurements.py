"""What a potential says on its own, no reference at hand: phonons, and σ⁽²⁾ of thermal one-shot samples."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from phonopy import Phonopy
from spglib import get_symmetry_dataset

from softmode import dynamics as dy
from softmode import harmonic as hm
from softmode.anharmonic.sigma import harmonic_forces
from softmode.crystal import Cell, ForceConstants, Material
from softmode.study.context import CellContext, Result
from softmode.study.evaluation import forces_on
from softmode.study.material_work import Side
from softmode.study.measurements import evaluated_structure, forces_at
from softmode.study.records import Record
from softmode.study.scoring import force_constants_of, mode_results, prepared, scored

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ModelCrystal:
    """The crystal as the potential sees it: structure, phonopy's view of it, force constants.

    Parameters
    ----------
    material : Material
        In the structure the forces belong to (relaxed, where the protocol says so).
    raw : ForceConstants
        Compact, as they come.
    force_constants : ForceConstants
        Full, symmetrised or not as the protocol says.
    phonon : phonopy.Phonopy
        Of that structure.
    """

    material: Material
    raw: ForceConstants
    force_constants: ForceConstants
    phonon: Phonopy

    @cached_property
    def supercell(self) -> Cell:
        """The supercell at rest."""
        return hm.reference_supercell(self.phonon)


def model_crystal(context: CellContext, forces: Record) -> ModelCrystal:
    """The crystal a record of displaced forces belongs to.

    Parameters
    ----------
    context : CellContext
        Material and protocol.
    forces : Record
        Of a measurement ``displaced_forces…``.
    """
    material = evaluated_structure(context.material, forces.arrays)
    phonon = context.phonon if material is context.material else hm.build_phonopy(material)
    raw = force_constants_of(context, phonon, forces)
    return ModelCrystal(material, raw, prepared(context, phonon, raw), phonon)


def displaced_forces_for_dynamics(context: CellContext) -> Result:
    """Forces on displaced supercells for the force constants that go with sampled configurations.

    On the reference's own supercell where there is a reference trajectory to compare with; otherwise relaxed
    if the protocol says so.
    """
    relax = context.protocol.relax and context.load_trajectory is None
    return forces_at(context, context.protocol.sigma_displacement, relax=relax)


def model_phonons(context: CellContext) -> Result:
    """Phonons of the potential alone: harmonic stability, the softest mode and where it is.

    Returns
    -------
    Result
        ``model_lowest_THz`` over path and mesh, its q-point and the name of it where it has one;
        ``model_softest_THz``: lowest frequency at each high-symmetry point, the three translations at Γ left
        out.
    """
    protocol = context.protocol
    crystal = model_crystal(context, context.records["displaced_forces"])
    matrix = hm.real_space_dynamical_matrix(crystal.phonon, crystal.force_constants)
    path = hm.band_path(crystal.phonon, protocol.points_per_segment)
    mesh = hm.q_mesh(crystal.phonon, protocol.mesh_length)
    bands = hm.compute_dispersion(matrix, path.points).frequencies
    on_mesh = hm.compute_dispersion(matrix, mesh.points).frequencies
    special = _special_points(path)
    lowest, qpoint, label = _softest(path, bands, mesh, on_mesh, special)
    imaginary = (on_mesh < -protocol.imaginary_tolerance).any(axis=1)
    return Result(
        values={
            **_structure_values(crystal),
            "model_lowest_THz": lowest,
            "model_lowest_qpoint": [round(float(q), 6) for q in qpoint],
            "model_lowest_label": label,
            "model_imaginary_share": float(imaginary @ mesh.weights / mesh.weights.sum()),
            "model_harmonically_stable": bool(lowest >= -protocol.imaginary_tolerance),
            "model_softest_THz": {
                name: _lowest_optical(bands[index], name) for name, index in special.items()
            },
            "model_path_segments": [list(segment) for segment in path.segments],
            "model_points_per_segment": path.points_per_segment,
            "model_asr_eV_per_A2": hm.acoustic_sum_rule_violation(crystal.phonon, crystal.raw),
        },
        arrays={
            "qpoints": path.points,
            "distances": path.distances,
            "frequencies_model": bands,
        },
    )


def _special_points(path: hm.BandPath) -> dict[str, int]:
    """Index on the path of each high-symmetry point, at its first appearance."""
    n = path.points_per_segment
    found: dict[str, int] = {}
    for index, (start, end) in enumerate(path.segments):
        found.setdefault(start, index * n)
        found.setdefault(end, (index + 1) * n - 1)
    return found


def _lowest_optical(frequencies: FloatArray, label: str) -> float:
    """Lowest frequency at a point; at Γ without the three modes nearest to zero, the translations."""
    if label != "Γ":
        return float(frequencies.min())
    order = np.argsort(np.abs(frequencies))
    return float(frequencies[order[3:]].min()) if len(order) > 3 else 0.0


def _softest(
    path: hm.BandPath, bands: FloatArray, mesh: hm.QMesh, on_mesh: FloatArray, special: dict[str, int]
) -> tuple[float, FloatArray, str]:
    """Lowest frequency of path and mesh, its q-point, and ``X``, ``Γ–X`` or ``inside the zone``."""
    on_path, inside = bands.min(axis=1), on_mesh.min(axis=1)
    lowest = float(min(on_path.min(), inside.min()))
    close = lowest + 1e-4  # THz; a named point is preferred to one that is equal but for rounding
    for label, index in special.items():
        if on_path[index] <= close:
            return lowest, path.points[index], label
    if on_path.min() <= close:
        index = int(on_path.argmin())
        start, end = path.segments[index // path.points_per_segment]
        return lowest, path.points[index], f"{start}–{end}"
    return lowest, mesh.points[int(inside.argmin())], "inside the zone"


def _structure_values(crystal: ModelCrystal) -> dict[str, Any]:
    """Conventional lattice parameters, Å, volume per atom, Å³, and space group."""
    cell, primitive = crystal.material.unitcell, crystal.phonon.primitive
    dataset = get_symmetry_dataset(
        (primitive.cell, primitive.scaled_positions, primitive.numbers), symprec=1e-3
    )
    lattice = np.array(primitive.cell if dataset is None else dataset.std_lattice)
    lengths = np.linalg.norm(lattice, axis=1)
    return {
        **{f"model_{name}_A": float(length) for name, length in zip("abc", lengths, strict=True)},
        "model_volume_per_atom_A3": float(abs(np.linalg.det(cell.lattice)) / cell.n_atoms),
        "model_spacegroup": "" if dataset is None else f"{dataset.international} ({dataset.number})",
    }


def _samples(context: CellContext, crystal: ModelCrystal) -> dy.ThermalSamples:
    settings = context.one_shot
    if settings.force_constants == "reference":
        phonon = context.phonon
        constants = prepared(context, phonon, hm.reference_force_constants(phonon, context.material))
        modes = dy.supercell_normal_modes(phonon, constants)
    else:
        modes = dy.supercell_normal_modes(crystal.phonon, crystal.force_constants)
    if settings.method == "sign-alternating":
        return dy.sign_alternating_samples(modes, settings)
    return dy.random_samples(modes, settings, settings.n_samples, context.seed)


def thermal_forces(context: CellContext) -> Result:
    """Forces of the potential on thermal one-shot samples; goes on where it was stopped."""
    crystal = model_crystal(context, context.records["displaced_forces_for_dynamics"])
    samples = _samples(context, crystal)
    return _forces_on_samples(context, crystal, samples, "one_shot", samples)


def self_consistent_forces(context: CellContext) -> Result:
    """Forces of the potential on samples of its self-consistent harmonic crystal.

    The samples are drawn from frequencies that the forces on earlier samples gave, see
    :func:`softmode.dynamics.self_consistent_modes`; those are computed anew after an interruption.
    """
    crystal = model_crystal(context, context.records["displaced_forces_for_dynamics"])
    settings = context.self_consistent
    rest = crystal.supercell.to_atoms()
    sites = rest.positions.copy()

    def forces(displacements: FloatArray) -> FloatArray:
        moved = [rest.copy() for _ in displacements]
        for atoms, shift in zip(moved, displacements, strict=True):
            atoms.positions = sites + shift
        return context.potential.evaluate(moved).stacked_forces()

    modes = dy.supercell_normal_modes(crystal.phonon, crystal.force_constants)
    effective = dy.self_consistent_modes(modes, forces, settings, context.seed)
    began = dy.random_samples(modes, settings, 1, context.seed)
    samples = dy.random_samples(effective.modes, settings, settings.n_samples, context.seed)
    result = _forces_on_samples(context, crystal, samples, "self_consistent", began)
    return Result(
        values={
            **result.values,
            "self_consistent_last_change": effective.last_change,
            "self_consistent_lowest_THz": float(effective.modes.frequencies.min()),
        },
        arrays={
            **result.arrays,
            "frequencies_at_rest": effective.frequencies_at_rest,
            "frequencies_effective": effective.modes.frequencies,
            "history": effective.history,
        },
    )


def _forces_on_samples(
    context: CellContext,
    crystal: ModelCrystal,
    samples: dy.ThermalSamples,
    name: str,
    of_modes: dy.ThermalSamples,
) -> Result:
    """Forces on samples; `of_modes` says which modes had no amplitude of their own."""
    positions = samples.positions(crystal.supercell)
    result = forces_on(context, crystal.supercell.to_atoms(), positions, "thermal samples")
    return Result(
        values={
            **{f"{name}_{key}": value for key, value in result.values.items()},
            f"{name}_n_imaginary": of_modes.n_imaginary,
            f"{name}_n_treated": of_modes.n_treated,
            f"{name}_notes": list(of_modes.notes),
        },
        arrays={**result.arrays, "displacements": samples.displacements},
    )


def one_shot(context: CellContext) -> Result:
    """σ⁽²⁾ of the potential on thermal one-shot samples, with its own force constants."""
    random = context.one_shot.method == "random"
    return _sampled_sigma(
        context,
        "one_shot",
        context.records["thermal_forces"],
        no_interval="" if random else "a deterministic pair has no interval",
    )


def self_consistent(context: CellContext) -> Result:
    """σ⁽²⁾ of the potential on samples of its self-consistent harmonic crystal.

    The harmonic forces are those of the force constants at rest, as in all other ways to σ.
    """
    return _sampled_sigma(context, "self_consistent", context.records["self_consistent_forces"])


def _sampled_sigma(context: CellContext, approach: str, sampled: Record, no_interval: str = "") -> Result:
    """σ⁽²⁾ on independent samples with the potential's own force constants at rest."""
    crystal = model_crystal(context, context.records["displaced_forces_for_dynamics"])
    harmonic = harmonic_forces(crystal.force_constants, sampled.arrays["displacements"])
    side = Side(sampled.arrays["forces"], crystal.force_constants, harmonic)
    result = scored(
        context,
        approach,
        side.forces,
        side.harmonic,
        cell=crystal.supercell,
        run_lengths=(len(side.forces),),
        subject=f"{context.potential.info.name} on thermal samples of {context.material.name}",
        no_interval=no_interval,
    )
    modes = mode_results(crystal.phonon, approach, side)
    return Result(
        values={**result.values, **modes.values, f"{approach}_interval_note": result.note},
        arrays={f"sigma_t_{approach}": result.per_frame, **modes.arrays},
    )
