"""Energy models behind one protocol: a batch of configurations in, energies and forces (float64) out.

``resolve(settings)`` says which potential is meant and gets its weights; ``.load()`` makes it ready;
``.evaluate(configurations)`` runs it. One module implements each family, and the registry finds it.
"""

from softmode.potentials.base import Evaluation, LoopedPotential, Potential, PotentialInfo
from softmode.potentials.calculator import CalculatorPotential
from softmode.potentials.family import (
    FOR_WEIGHTS,
    MATERIALS_PROJECT_ELEMENTS,
    Entry,
    Family,
    KnownAnswer,
    Options,
    Package,
)
from softmode.potentials.mace import PAPER_MODELS
from softmode.potentials.registry import families, find_entry, known_potentials
from softmode.potentials.resolution import (
    ResolvedPotential,
    WeightsStatus,
    describe,
    resolve,
    weights_status,
)
from softmode.potentials.settings import PotentialSettings

__all__ = [
    "FOR_WEIGHTS",
    "MATERIALS_PROJECT_ELEMENTS",
    "PAPER_MODELS",
    "CalculatorPotential",
    "Entry",
    "Evaluation",
    "Family",
    "KnownAnswer",
    "LoopedPotential",
    "Options",
    "Package",
    "Potential",
    "PotentialInfo",
    "PotentialSettings",
    "ResolvedPotential",
    "WeightsStatus",
    "describe",
    "families",
    "find_entry",
    "known_potentials",
    "resolve",
    "weights_status",
]
