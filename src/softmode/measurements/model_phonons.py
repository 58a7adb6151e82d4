"""Phonons of the potential alone: harmonic stability, the softest mode and where it is."""

from __future__ import annotations

from typing import Any

import numpy as np

from softmode import harmonic as hm
from softmode.crystal import Cell
from softmode.crystal.arrays import FloatArray
from softmode.crystal.supercell_symmetry import symmetry_dataset
from softmode.measurements.declaration import Column, Measurement, Result
from softmode.measurements.shared import ModelCrystal
from softmode.measurements.view import View

#: THz; a named point is preferred to one that is equal but for rounding.
_CLOSE = 1e-4


def model_phonons(view: View) -> Result:
    """Phonons of the potential alone: harmonic stability, the softest mode and where it is.

    Returns
    -------
    Result
        ``model_lowest_THz``: lowest of the modes of the supercell and of the high-symmetry points, the three
        translations at Γ left out, or what is imaginary and lower anywhere on path or mesh; its q-point and
        the name of it where it has one; ``model_stability_margin_THz``: how far above the limit of an
        imaginary mode it is; ``model_lowest_of_supercell_THz``: of the modes of the supercell alone;
        ``model_softest_THz``: lowest frequency at each high-symmetry point.
    """
    protocol = view.protocol
    crystal = ModelCrystal(view, view.records["displaced_forces"])
    matrix = hm.real_space_dynamical_matrix(crystal.phonon, crystal.full_force_constants)
    path = hm.band_path(crystal.phonon, protocol.points_per_segment)
    mesh = hm.q_mesh(crystal.phonon, protocol.mesh_length)
    bands = hm.compute_dispersion(matrix, path.points).frequencies
    on_mesh = hm.compute_dispersion(matrix, mesh.points).frequencies
    special = path.special_points()
    commensurate = hm.commensurate_points(crystal.phonon)
    of_supercell = hm.compute_dispersion(matrix, commensurate).frequencies
    at_points = hm.lowest_optical(path.points, bands)
    by_point = {name: float(at_points[index]) for name, index in special.items()}
    inside = _lowest_inside(commensurate, of_supercell)
    lowest, qpoint, label = min(
        _lowest_named(path, special, by_point),
        inside,
        _lowest_imaginary(path, bands, mesh, on_mesh, protocol.imaginary_tolerance),
        key=lambda found: found[0] - (_CLOSE if found[2] in special else 0.0),
    )
    imaginary = (on_mesh < -protocol.imaginary_tolerance).any(axis=1)
    return Result(
        values={
            **_structure_values(crystal),
            "model_lowest_THz": lowest,
            "model_lowest_of_supercell_THz": inside[0],
            "model_lowest_qpoint": [round(float(q), 6) for q in qpoint],
            "model_lowest_label": label,
            "model_imaginary_share": float(imaginary @ mesh.weights / mesh.weights.sum()),
            "model_harmonically_stable": bool(lowest >= -protocol.imaginary_tolerance),
            "model_stability_margin_THz": lowest + protocol.imaginary_tolerance,
            "model_softest_THz": {name: own if np.isfinite(own) else 0.0 for name, own in by_point.items()},
            "model_path_segments": [list(segment) for segment in path.segments],
            "model_points_per_segment": path.points_per_segment,
            "model_asr_eV_per_A2": hm.acoustic_sum_rule_violation(crystal.phonon, crystal.raw),
            "model_noise_floor_THz": max(hm.own_floors(crystal.phonon, crystal.raw, mesh.points).values()),
        },
        arrays={
            "qpoints": path.points,
            "distances": path.distances,
            "frequencies_model": bands,
        },
    )


#: A mode, the q-point it is at, and what that is called: ``X``, ``Γ–X`` or ``inside the zone``.
_Mode = tuple[float, FloatArray, str]


def _lowest_named(path: hm.BandPath, special: dict[str, int], by_point: dict[str, float]) -> _Mode:
    """Of the high-symmetry points."""
    label = min(by_point, key=by_point.__getitem__)
    return by_point[label], path.points[special[label]], label


def _lowest_inside(points: FloatArray, frequencies: FloatArray) -> _Mode:
    """Of points without a name; Γ may be among them."""
    lowest = hm.lowest_optical(points, frequencies)
    index = int(lowest.argmin())
    return float(lowest[index]), points[index], "inside the zone"


def _lowest_imaginary(
    path: hm.BandPath, bands: FloatArray, mesh: hm.QMesh, on_mesh: FloatArray, tolerance: float
) -> _Mode:
    """Of path and mesh, where it is imaginary: of a stable crystal that is the end of an acoustic branch."""
    on_path, inside = bands.min(axis=1), on_mesh.min(axis=1)
    lowest = float(min(on_path.min(), inside.min()))
    if lowest >= -tolerance:
        return np.inf, path.points[0], ""
    if on_path.min() > lowest + _CLOSE:
        return lowest, mesh.points[int(inside.argmin())], "inside the zone"
    index = int(on_path.argmin())
    start, end = path.segments[index // path.points_per_segment]
    return lowest, path.points[index], f"{start}–{end}"


def _structure_values(crystal: ModelCrystal) -> dict[str, Any]:
    """Conventional lattice parameters, Å, volume per atom, Å³, and space group."""
    cell, primitive = crystal.material.unitcell, crystal.phonon.primitive
    dataset = symmetry_dataset(Cell.from_phonopy(primitive), 1e-3)
    lattice = np.array(primitive.cell if dataset is None else dataset.std_lattice)
    lengths = np.linalg.norm(lattice, axis=1)
    return {
        **{f"model_{name}_A": float(length) for name, length in zip("abc", lengths, strict=True)},
        "model_volume_per_atom_A3": float(abs(np.linalg.det(cell.lattice)) / cell.n_atoms),
        "model_spacegroup": "" if dataset is None else f"{dataset.international} ({dataset.number})",
    }


MEASUREMENTS = (
    Measurement(
        "model_phonons",
        version=2,
        function=model_phonons,
        uses=(
            "structure",
            "protocol.symmetrise",
            "protocol.points_per_segment",
            "protocol.mesh_length",
            "protocol.imaginary_tolerance",
        ),
        requires=("displaced_forces",),
        title="phonons of the potential alone: lattice, lowest mode and where it is",
        columns=(
            Column("model_lowest_THz", "lowest mode, THz", "lowest mode, potential alone, THz", main=True),
            Column("model_lowest_label", "at", "lowest mode, potential alone, at", main=True),
            Column("model_stability_margin_THz", "margin, THz", "margin of harmonic stability, THz"),
            Column("model_imaginary_share", "q with imaginary modes"),
            Column("model_harmonically_stable", "harmonically stable", "stable, potential alone", main=True),
            Column("model_a_A", "a, Å"),
            Column("model_volume_per_atom_A3", "volume per atom, Å³"),
            Column("model_spacegroup", "space group"),
        ),
        chapter="Phonons",
    ),
)
