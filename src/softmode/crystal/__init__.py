"""The vocabulary: cells, materials, their reference data and trajectories, frozen and checked on creation."""

from softmode.crystal.cell import Cell
from softmode.crystal.force_constants import DisplacementForces, ForceConstants, NonAnalyticalCorrection
from softmode.crystal.material import Material
from softmode.crystal.trajectory import Trajectory

__all__ = [
    "Cell",
    "DisplacementForces",
    "ForceConstants",
    "Material",
    "NonAnalyticalCorrection",
    "Trajectory",
]
