"""Molecular dynamics and harmonic sampling: configurations of a crystal at a temperature.

Nothing here knows studies or potentials: ASE calculators, phonopy objects and arrays in, arrays out.
Files are written by :mod:`softmode.dynamics.trajectory_writer` alone.
"""

from softmode.dynamics.chunks import Checkpoint, Chunk, Frames, RunDescription
from softmode.dynamics.diagnostics import (
    Drift,
    Equilibration,
    RunDiagnostics,
    diagnose,
    equilibration,
    linear_drift,
)
from softmode.dynamics.lockstep import Answer, BatchEvaluator, Replica, record_together
from softmode.dynamics.md_settings import MDSettings
from softmode.dynamics.molecular_dynamics import WARM_UP, MDResult, md_chunks, run_md
from softmode.dynamics.normal_modes import NormalModes, normal_modes, supercell_normal_modes
from softmode.dynamics.phase_change import (
    FEWEST_FRAMES,
    SYMMETRY_TOLERANCE,
    FrozenDisplacement,
    Octahedra,
    average_space_group,
    frozen_displacement,
    octahedra,
)
from softmode.dynamics.self_consistent import (
    EffectiveModes,
    SelfConsistentSettings,
    self_consistent_modes,
)
from softmode.dynamics.thermal import (
    ThermalSamples,
    ThermalSettings,
    mean_square_displacements,
    random_samples,
    sign_alternating_samples,
)
from softmode.dynamics.thermostats import relaxation_time, sampled_temperature, thermostat_warning
from softmode.dynamics.trajectory_writer import (
    MDRun,
    TrajectoryWriter,
    export_ase,
    joined_trajectory,
    read_md,
    record_md,
)

__all__ = [
    "FEWEST_FRAMES",
    "SYMMETRY_TOLERANCE",
    "WARM_UP",
    "Answer",
    "BatchEvaluator",
    "Checkpoint",
    "Chunk",
    "Drift",
    "EffectiveModes",
    "Equilibration",
    "Frames",
    "FrozenDisplacement",
    "MDResult",
    "MDRun",
    "MDSettings",
    "NormalModes",
    "Octahedra",
    "Replica",
    "RunDescription",
    "RunDiagnostics",
    "SelfConsistentSettings",
    "ThermalSamples",
    "ThermalSettings",
    "TrajectoryWriter",
    "average_space_group",
    "diagnose",
    "equilibration",
    "export_ase",
    "frozen_displacement",
    "joined_trajectory",
    "linear_drift",
    "md_chunks",
    "mean_square_displacements",
    "normal_modes",
    "octahedra",
    "random_samples",
    "read_md",
    "record_md",
    "record_together",
    "relaxation_time",
    "run_md",
    "sampled_temperature",
    "self_consistent_modes",
    "sign_alternating_samples",
    "supercell_normal_modes",
    "thermostat_warning",
]
