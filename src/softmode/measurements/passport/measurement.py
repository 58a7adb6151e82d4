"""A passport: the same phonons made in many ways, and how far every figure and the verdict move."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np

from softmode import harmonic as hm
from softmode.anharmonic.classes import classify
from softmode.anharmonic.sigma import harmonic_forces, sigma
from softmode.crystal import ForceConstants
from softmode.crystal.arrays import FloatArray
from softmode.errors import SoftmodeError
from softmode.harmonic.protocol import HarmonicProtocol
from softmode.measurements.conditions import Conditions
from softmode.measurements.declaration import Column, Facts, Given, Measurement, Result
from softmode.measurements.field_metrics import field_metrics
from softmode.measurements.harmonic import named_values
from softmode.measurements.noise_floor import NOISE_FLOOR
from softmode.measurements.passport.details import passport_details
from softmode.measurements.passport.forces import ForceSets
from softmode.measurements.passport.panels import SHOWN, panels
from softmode.measurements.passport.ways import (
    FACTORS,
    ONE_SIDED,
    PassportSettings,
    Way,
    alone,
    choices_of,
    grid,
    protocol_way,
)
from softmode.measurements.shared import Crystal, correction, moved, phonon, plan
from softmode.measurements.view import View

LOWEST_MODEL, LOWEST_REFERENCE = "lowest_model_THz", "lowest_reference_THz"
SIGMA = "sigma_phi_model_mean_t"
#: THz; a branch that goes lower dips below zero, others end there: at Γ, where the crystal moves as a whole.
_DIP = -1e-3
#: Relative and absolute change below which a figure has not moved.
UNMOVED = 1e-6


def passport(view: View) -> Result:
    """Phonons made in many ways: how far each figure moves, by what, and how sure the verdict is.

    Returns
    -------
    Result
        ``passport_verdict`` and what it is made of; ``left_out``: what could not be varied, and why;
        ``moves``: of figures that pages show the value under the protocol, the lowest and the highest, and
        both again for each factor varied alone. Arrays ``figures`` (n_ways, n_figures) in the order of
        ``figures``, NaN where one has no sense, and ``ways`` (n_ways, n_factors): which of ``choices`` was
        made of each factor (:func:`softmode.measurements.passport.ways.chosen_labels`).
    """
    settings, protocol, potential = view.settings(PassportSettings), view.protocol, view.potential
    own = protocol_way(protocol, potential.dtype)
    sets = ForceSets(view, own, settings.largest_supercell)
    asked = grid(own, settings, potential.precisions, analytic=potential.twice_differentiable)
    if not sets.one_sided(own):
        asked = [way for way in asked if way.sides != ONE_SIDED]
    evaluate, calls = _evaluation(view), view.calls
    ways: list[Way] = []
    rows: list[dict[str, Any]] = []
    left_out: dict[str, str] = {}
    try:
        for way in asked:
            try:
                found, raw = sets.of(way)
            except SoftmodeError as error:
                if way == own:
                    raise
                if error.problem not in left_out.values():  # the first of those that it concerns
                    left_out[_difference(own, way)] = error.problem
            else:
                ways.append(way)
                rows.append(evaluate(way, found, raw))
    finally:
        sets.close()
    choices, chosen = choices_of(ways)
    names = list(rows[0])
    figures = np.array([[_number(row.get(name)) for name in names] for row in rows])
    return Result(
        {
            **_verdicts(names, figures, protocol.imaginary_tolerance, view.records["noise_floor"].values),
            "passport_otherwise": _otherwise(ways, figures[:, names.index(LOWEST_MODEL)], protocol),
            "passport_new_calls": view.calls - calls,
            "passport_reused": sets.reused,
            "choices": choices,
            "figures": names,
            "moves": _moves(ways, names, figures),
            "left_out": left_out,
        },
        {"figures": figures, "ways": chosen},
    )


def _evaluation(view: View) -> Callable[..., dict[str, Any]]:
    """What figures are worked out by, with the reference's phonons made once for each choice."""
    nac = correction(view) if view.has_reference else None
    raw = hm.reference_force_constants(phonon(view), view.reference) if view.has_reference else None
    of_sigma = _sigma_evaluation(view) if view.settings(PassportSettings).sigma else None

    @cache
    def places(way_points: int, mesh_length: float) -> tuple[hm.BandPath, hm.QMesh]:
        return hm.band_path(phonon(view), way_points), hm.q_mesh(phonon(view), mesh_length)

    @cache
    def reference(symmetrise: bool, points: int, length: float) -> tuple[hm.Dispersion, hm.Dispersion, float]:
        assert raw is not None
        side = Crystal(phonon(view), raw, hm.symmetrised(phonon(view), raw) if symmetrise else raw, nac)
        on_path, on_mesh = (side.at(where) for where in places(points, length))
        return on_path, on_mesh, lowest(side, on_path, on_mesh)

    commensurate = hm.commensurate_points(phonon(view))

    def lowest(side: Crystal, *places: hm.Dispersion) -> float:
        """How far a branch dips below zero; else the softest mode of the supercell but the translations."""
        found = min(float(place.frequencies.min()) for place in places)
        if found < _DIP:
            return found
        return float(hm.lowest_optical(commensurate, side.at(commensurate).frequencies).min())

    def evaluate(way: Way, crystal: Any, model_raw: Any) -> dict[str, Any]:
        constants = hm.symmetrised(crystal, model_raw) if way.symmetrise else model_raw
        side = Crystal(crystal, model_raw, constants, None if way.supercell else nac)
        points, mesh = places(way.points, way.mesh_length)
        on_path, on_mesh = side.at(points), side.at(mesh)
        found: dict[str, Any] = {LOWEST_MODEL: lowest(side, on_path, on_mesh)}
        if of_sigma is not None and way.structure == "reference" and not way.supercell:
            found[SIGMA] = of_sigma(hm.full_force_constants(crystal, constants))
        if raw is None or way.supercell:
            return found
        of_path, of_mesh, found[LOWEST_REFERENCE] = reference(way.symmetrise, way.points, way.mesh_length)
        tolerance = view.protocol.imaginary_tolerance
        compared = hm.compare(of_mesh, on_mesh, weights=mesh.weights, imaginary_tolerance=tolerance)
        found |= named_values(hm.compare(of_path, on_path, imaginary_tolerance=tolerance), "path")
        found |= named_values(compared, "mesh")
        metrics = field_metrics(compared, of_mesh, on_mesh, mesh, crystal.primitive.Z)
        return {**found, **metrics.values}

    return evaluate


def _sigma_evaluation(view: View) -> Callable[[ForceConstants], float]:
    """What makes ⟨σ(t)⟩ of the potential's forces on the reference's frames, by force constants."""
    found = view.records["trajectory_forces"].arrays
    forces = found["forces"]
    displaced = moved(view)[found.get("frames", np.arange(len(forces)))]

    def mean(constants: ForceConstants) -> float:
        return float(sigma(forces, harmonic_forces(constants, displaced), subject=view.name).per_frame.mean())

    return mean


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float | np.number) else np.nan


def _difference(own: Way, way: Way) -> str:
    """What a way has other than the protocol's, in words."""
    mine, other = own.labels(), way.labels()
    return ", ".join(f"{FACTORS[name]} {other[name]}" for name in FACTORS if other[name] != mine[name])


def _otherwise(ways: Sequence[Way], lowest: FloatArray, protocol: HarmonicProtocol) -> list[str]:
    """What the ways of the other verdict than the first have other than it, in words."""
    stable = lowest >= -protocol.imaginary_tolerance
    return [_difference(ways[0], way) for way, own in zip(ways, stable, strict=True) if own != stable[0]]


def _verdicts(
    names: Sequence[str], figures: FloatArray, tolerance: float, noise: Mapping[str, Any]
) -> dict[str, Any]:
    """The verdict of potential and reference, with margins."""
    lowest = figures[:, names.index(LOWEST_MODEL)]
    found: dict[str, Any] = {
        "passport_ways": len(lowest),
        **_verdict("passport", lowest, tolerance),
        NOISE_FLOOR: noise[NOISE_FLOOR],
        "passport_beyond_noise": bool((np.abs(lowest) > noise[NOISE_FLOOR]).all()),
    }
    if SIGMA in names:
        found |= _class_verdict(figures[:, names.index(SIGMA)])
    if LOWEST_REFERENCE in names:
        reference = figures[:, names.index(LOWEST_REFERENCE)]
        found |= _verdict("passport_reference", reference[np.isfinite(reference)], tolerance)
    return found


def _class_verdict(scores: FloatArray) -> dict[str, Any]:
    """In how many ways the class is that of the protocol, or of the first way that has one."""
    scores = scores[np.isfinite(scores)]
    classes = [classify(score) for score in scores]
    agreeing = classes.count(classes[0])
    share = f"all {len(classes)}" if agreeing == len(classes) else f"{agreeing} of {len(classes)}"
    return {
        "passport_class": classes[0],
        "passport_class_agreeing": agreeing,
        "passport_class_verdict": (
            f"{classes[0]} in {share} ways; ⟨σ(t)⟩ {scores.min():.3f} … {scores.max():.3f}"
        ),
    }


def _verdict(prefix: str, lowest: FloatArray, tolerance: float) -> dict[str, Any]:
    """In how many ways a crystal is what it is under the protocol, the first; and by how much.

    The margin is how far the lowest mode is from the tolerance, THz, in the way in which it is nearest;
    negative where ways disagree: how far the furthest of those is on the other side.
    """
    beyond = lowest + tolerance
    stable = bool(beyond[0] >= 0.0)
    agree = (beyond >= 0.0) == stable
    margin = np.abs(beyond[agree]).min() if agree.all() else -np.abs(beyond[~agree]).max()
    word = "stable" if stable else "unstable"
    share = f"all {len(lowest)}" if agree.all() else f"{agree.sum()} of {len(lowest)}"
    return {
        f"{prefix}_verdict": (
            f"{word} in {share} ways; lowest mode {lowest.min():.2f} … {lowest.max():.2f} THz"
        ),
        f"{prefix}_stable": stable,
        f"{prefix}_agreeing": int(agree.sum()),
        f"{prefix}_margin_THz": float(margin),
        f"{prefix}_lowest_THz": float(lowest.min()),
        f"{prefix}_highest_THz": float(lowest.max()),
    }


def _moves(ways: Sequence[Way], names: Sequence[str], figures: FloatArray) -> dict[str, Any]:
    """Ranges of the figures shown that move, over all ways and over each factor alone."""
    varied = {factor: places for factor in FACTORS if len(places := list(alone(ways, factor))) > 1}
    moves: dict[str, Any] = {}
    for name, values in zip(names, figures.T, strict=True):
        known = values[np.isfinite(values)]
        if (
            name not in SHOWN
            or not np.isfinite(values[0])
            or np.ptp(known) <= UNMOVED * max(1.0, np.abs(known).max())
        ):
            continue
        moves[name] = {
            "protocol": float(values[0]),
            "lowest": float(known.min()),
            "highest": float(known.max()),
            "by": {
                factor: [float(np.nanmin(values[places])), float(np.nanmax(values[places]))]
                for factor, places in varied.items()
            },
        }
    return moves


def _also(conditions: Conditions) -> tuple[str, ...]:
    return ("trajectory_forces",) if conditions.of(PassportSettings).sigma else ()


def _uses(conditions: Conditions, facts: Facts) -> tuple[str | Given, ...]:
    return (
        *(("reference", "protocol.nac") if facts.reference else ("structure",)),
        "potential",
        "tags.structure_source",
        "passport",
        *(("trajectory",) if conditions.of(PassportSettings).sigma else ()),
        *(
            f"protocol.{field}"
            for field in (
                *("dispersion_displacement", "force_constants", "symmetrise", "structure", "relax_fmax"),
                *("points_per_segment", "mesh_length", "imaginary_tolerance"),
            )
        ),
    )


def _calls(view: View) -> int:
    """Displaced supercells of all lengths, in one structure or two; relaxation comes on top."""
    settings = view.settings(PassportSettings)
    number = len(plan(view, view.protocol.dispersion_displacement).displacements)
    return number * len(settings.displacements) * (2 if settings.structures else 1)


MEASUREMENTS = (
    Measurement(
        "passport",
        version=2,
        function=passport,
        uses=_uses,
        requires=("displaced_forces", "noise_floor"),
        requires_also=_also,
        title="how far figures and verdict move with displacement, precision, structure and the like",
        settings=PassportSettings,
        columns=(
            Column("passport_verdict", "potential", "passport: verdict", main=True),
            Column("passport_margin_THz", "its margin, THz", "passport: margin, THz", main=True),
            Column(NOISE_FLOOR, "noise floor, THz"),
            Column("passport_class_verdict", "class", "passport: class"),
            Column("passport_reference_verdict", "reference", "passport: reference"),
            Column("passport_reference_margin_THz", "its margin, THz", "passport: reference's margin, THz"),
            Column("passport_new_calls", "new force calls", "passport: new force calls"),
        ),
        chapter="How sure",
        panels=panels,
        details=passport_details,
        calls=_calls,
    ),
)
