"""How a report was made, in sentences: protocol, σ, one-shot sampling, molecular dynamics."""

from __future__ import annotations

from softmode.anharmonic.classes import EDGES
from softmode.dynamics import thermostat_warning
from softmode.errors import SettingsError
from softmode.harmonic.protocol import HarmonicProtocol
from softmode.measurements.map import MapSettings
from softmode.measurements.md import DynamicsSettings
from softmode.measurements.one_shot import OneShotSettings
from softmode.potentials import PotentialSettings, describe, find_entry
from softmode.potentials.conformance import measured
from softmode.potentials.registry import find_family
from softmode.study.settings import StudySettings

_STATISTICS = {
    "classical": "classical statistics, as molecular dynamics has",
    "quantum": "quantum statistics, zero-point motion included",
}
_IMAGINARY = {
    "absolute": "take the absolute value of their frequency, but at least {floor:g} THz",
    "drop": "are not displaced",
    "floor": "take {floor:g} THz",
}
_STRUCTURES = {
    "reference": "the reference's, not relaxed",
    "relaxed": "relaxed by each potential, symmetry kept",
    "both": "the reference's, and once more as each potential relaxes it, symmetry kept",
}


def method_lines(settings: StudySettings) -> list[str]:
    """What a reader must know to repeat a study, one sentence each."""
    asked = set(settings.measurements)
    lines = harmonic_lines(settings.conditions.protocol)
    if asked & {"sigma", "one_shot", "model_only", "map"}:
        lines += sigma_lines(settings.conditions.protocol)
    if "one_shot" in asked:
        lines += one_shot_lines(settings.conditions.of(OneShotSettings))
    if asked & {"model_only", "map"}:
        lines += md_lines(settings.conditions.of(DynamicsSettings))
    if "map" in asked:
        lines += map_lines(settings.conditions.of(MapSettings))
    return [*lines, *map(potential_line, settings.potentials)]


def potential_line(potential: PotentialSettings) -> str:
    """What a reader must know of a potential: its training, whether it is conservative, and repeatable."""
    name = potential.label or potential.name
    try:
        info = describe(potential)
    except SettingsError:
        return f"{name}: its family is not known in this environment"
    entry = find_entry(potential.name)
    known = None if entry is None or potential.weights is not None else measured().get(entry.name)
    return "; ".join(
        [
            f"{name}: {info.family}, trained on {info.training_data} ({info.level_of_theory})",
            known["verdict"].rstrip(".") if known else "not measured whether it is conservative",
            find_family(info.family).last_bits(potential.device),
        ]
    )


def harmonic_lines(protocol: HarmonicProtocol) -> list[str]:
    """The harmonic protocol."""
    return [
        f"finite displacements of {protocol.dispersion_displacement:g} Å, supercell of the reference",
        f"structure: {_STRUCTURES[protocol.structure]}",
        f"force constants of both sides {_symmetrised(protocol)}",
        f"{protocol.points_per_segment} q-points on each segment of the band path (seekpath); "
        f"Γ-centred mesh of length {protocol.mesh_length:g} Å",
        "non-analytical correction: "
        + ("none on either side" if protocol.nac == "off" else "the reference's Born charges on both sides"),
        f"a mode is imaginary below −{protocol.imaginary_tolerance:g} THz",
    ]


def _symmetrised(protocol: HarmonicProtocol) -> str:
    return "symmetrised" if protocol.symmetrise else "as they come (raw)"


def sigma_lines(protocol: HarmonicProtocol) -> list[str]:
    """How σ is made."""
    weak, unstable = EDGES
    return [
        f"σ: force constants of the potential from displacements of {protocol.sigma_displacement:g} Å, "
        f"{_symmetrised(protocol)}; displacements of the atoms from the crystal at rest, minimum image, the "
        "drift of the centre of mass removed from every frame",
        f"classes by ⟨σ(t)⟩, the mean over frames: weak below {weak:g}, strong to {unstable:g}, unstable "
        "above; 95 % intervals from blocks of correlated frames, “?” where there are too few for one",
    ]


def one_shot_lines(settings: OneShotSettings) -> list[str]:
    """How thermal samples are drawn."""
    number = (
        f"{settings.n_samples} random samples"
        if settings.method == "random"
        else "one sign-alternating pair (no interval)"
    )
    owner = "the potential" if settings.force_constants == "model" else "the reference"
    treated = _IMAGINARY[settings.imaginary].format(floor=settings.floor)
    return [
        f"one-shot sampling: {number} at {settings.temperature:g} K from the force constants of {owner}, "
        f"{_STATISTICS[settings.statistics]}; modes below {settings.tolerance:g} THz {treated}"
    ]


def md_summary(settings: DynamicsSettings) -> str:
    """Molecular dynamics in one sentence."""
    thermostat = {
        "andersen": f"Andersen, collision probability {settings.collision_probability:g} a step",
        "langevin": f"Langevin, friction {settings.friction:g}/fs",
        "nose-hoover": f"Nosé–Hoover chain of {settings.chain_length}, {settings.thermostat_time:g} fs",
    }[settings.thermostat]
    runs = "one run" if settings.replicas == 1 else f"{settings.replicas} runs"
    return (
        f"{runs} of {settings.steps} steps of {settings.timestep:g} fs at {settings.temperature:g} K and "
        f"constant volume ({thermostat}), {_recorded(settings.sample_every)}"
    )


def md_lines(settings: DynamicsSettings) -> list[str]:
    """How molecular dynamics is made."""
    lost = (
        "half the shortest lattice vector of the supercell"
        if settings.largest_displacement is None
        else f"{settings.largest_displacement:g} Å"
    )
    lines = [
        f"molecular dynamics: {md_summary(settings)}; starts: random frames of the reference trajectory "
        "where there is one, else thermally displaced supercells; Maxwell–Boltzmann velocities",
        f"σ of the potential alone: frames after the first {settings.discard} steps of each run",
        "the crystal is lost when forces are not finite, two atoms are closer than "
        f"{settings.closest_pair:g} Å, or one is farther from its site than {lost}; it counts as unstable",
    ]
    warning = thermostat_warning(settings)
    return [*lines, warning] if warning else lines


def map_lines(settings: MapSettings) -> list[str]:
    """How maps of configuration space are made."""
    soap, kernel = settings.soap, settings.kernel
    taken = [
        f"every frame of the {side}" if every == 1 else f"one frame in {every} of the {side}"
        for side, every in (
            ("reference", settings.reference_every),
            ("potential's dynamics", settings.model_every),
        )
    ]
    return [
        f"maps: {' and '.join(taken)}; SOAP of every atom (radius {soap.r_cut:g} Å, n_max {soap.n_max}, "
        f"l_max {soap.l_max}, width {soap.sigma:g} Å), regularised match with α = "
        f"{kernel.alpha:g} ({kernel.mode} mode), two kernel principal components; "
        f"{settings.n_neighbours} nearest neighbours, {settings.n_permutations} relabellings of blocks"
    ]


def _recorded(every: int) -> str:
    return "every step recorded" if every == 1 else f"one step in {every} recorded"
