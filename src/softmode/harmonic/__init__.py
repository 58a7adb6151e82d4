"""Harmonic phonons: force constants by finite displacement, dispersion at all q at once, comparison.

Nothing here knows files, studies or potentials: arrays, phonopy and ASE objects in, arrays out.
"""

from softmode.harmonic.comparison import HarmonicComparison, compare
from softmode.harmonic.correspondence import Correspondence, correspondence
from softmode.harmonic.dispersion import (
    FREQUENCY_CUTOFF,
    Dispersion,
    RealSpaceDynamicalMatrix,
    compute_dispersion,
    degenerate_set_starts,
    lowest_optical,
    real_space_dynamical_matrix,
    signed_square,
    solve_modes,
)
from softmode.harmonic.finite_displacement import (
    DisplacementPlan,
    acoustic_sum_rule_violation,
    force_constants_from_forces,
    plan_displacements,
    reference_force_constants,
    symmetrised,
)
from softmode.harmonic.lattice import (
    build_phonopy,
    full_force_constants,
    reference_supercell,
    with_cell,
    with_force_constants,
)
from softmode.harmonic.mode_vectors import PointModes, modes_at, modes_with_nac
from softmode.harmonic.noise import difference, frequency_floor, own_floors, soft_mode_vectors
from softmode.harmonic.non_analytical import dispersion_with_nac, phonopy_velocities
from softmode.harmonic.protocol import PROTOCOLS, HarmonicProtocol, named_protocol
from softmode.harmonic.qpoints import BandPath, QMesh, band_path, commensurate_points, q_mesh
from softmode.harmonic.relaxation import Relaxed, relax_cell

__all__ = [
    "FREQUENCY_CUTOFF",
    "PROTOCOLS",
    "BandPath",
    "Correspondence",
    "Dispersion",
    "DisplacementPlan",
    "HarmonicComparison",
    "HarmonicProtocol",
    "PointModes",
    "QMesh",
    "RealSpaceDynamicalMatrix",
    "Relaxed",
    "acoustic_sum_rule_violation",
    "band_path",
    "build_phonopy",
    "commensurate_points",
    "compare",
    "compute_dispersion",
    "correspondence",
    "degenerate_set_starts",
    "difference",
    "dispersion_with_nac",
    "force_constants_from_forces",
    "frequency_floor",
    "full_force_constants",
    "lowest_optical",
    "modes_at",
    "modes_with_nac",
    "named_protocol",
    "own_floors",
    "phonopy_velocities",
    "plan_displacements",
    "q_mesh",
    "real_space_dynamical_matrix",
    "reference_force_constants",
    "reference_supercell",
    "relax_cell",
    "signed_square",
    "soft_mode_vectors",
    "solve_modes",
    "symmetrised",
    "with_cell",
    "with_force_constants",
]
