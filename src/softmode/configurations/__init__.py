"""Maps of configuration space: descriptors, regularised match kernel, kernel components, overlap.

Trajectories and arrays in, arrays out; nothing here knows files, studies or potentials. dscribe and
scikit-learn (the ``maps`` extra) are loaded when they are needed.
"""

from softmode.configurations.crystal_match import CrystalMatcher
from softmode.configurations.descriptors import (
    ArrayFeatures,
    FrameFeatures,
    SoapFeatures,
    SoapSettings,
    check_frames,
    soap_features,
)
from softmode.configurations.foreign import Foreignness, foreignness
from softmode.configurations.kernel import (
    CostModel,
    FrameKernel,
    KernelMatrix,
    KernelSettings,
    Tile,
    TileResult,
    frame_kernel,
    place_tile,
    plan_tiles,
)
from softmode.configurations.kernel_checks import (
    Definiteness,
    ModeError,
    definiteness,
    exact_dissimilarities,
    fast_mode_error,
)
from softmode.configurations.map import ConfigurationMap, kernel_map
from softmode.configurations.overlap import Discrepancy, NeighbourScore, Overlap, overlap
from softmode.configurations.reduction import ReducedFrames, reduce_frames
from softmode.configurations.rematch import Match, rematch

__all__ = [
    "ArrayFeatures",
    "ConfigurationMap",
    "CostModel",
    "CrystalMatcher",
    "Definiteness",
    "Discrepancy",
    "Foreignness",
    "FrameFeatures",
    "FrameKernel",
    "KernelMatrix",
    "KernelSettings",
    "Match",
    "ModeError",
    "NeighbourScore",
    "Overlap",
    "ReducedFrames",
    "SoapFeatures",
    "SoapSettings",
    "Tile",
    "TileResult",
    "check_frames",
    "definiteness",
    "exact_dissimilarities",
    "fast_mode_error",
    "foreignness",
    "frame_kernel",
    "kernel_map",
    "overlap",
    "place_tile",
    "plan_tiles",
    "reduce_frames",
    "rematch",
    "soap_features",
]
