"""The vocabulary: cells, materials, their reference data and trajectories, frozen and checked on creation."""

from softmode.crystal.material import (
    Cell,
    DisplacementForces,
    ForceConstants,
    Material,
    NonAnalyticalCorrection,
    Trajectory,
)

__all__ = [
    "Cell",
    "DisplacementForces",
    "ForceConstants",
    "Material",
    "NonAnalyticalCorrection",
    "Trajectory",
]
