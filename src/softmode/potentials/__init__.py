"""Energy models behind one protocol: a batch of configurations in, energies and forces (float64) out.

``resolve(settings)`` says which potential is meant and gets its weights; ``.load()`` makes it ready;
``.evaluate(configurations)`` runs it. The catalogue names what is known, one module implements each family.
"""

from softmode.potentials.base import Evaluation, LoopedPotential, Potential, PotentialInfo
from softmode.potentials.catalog import PAPER_MODELS, Family, known_potentials
from softmode.potentials.resolution import (
    ResolvedPotential,
    WeightsStatus,
    describe,
    resolve,
    weights_status,
)
from softmode.potentials.settings import PotentialSettings

__all__ = [
    "PAPER_MODELS",
    "Evaluation",
    "Family",
    "LoopedPotential",
    "Potential",
    "PotentialInfo",
    "PotentialSettings",
    "ResolvedPotential",
    "WeightsStatus",
    "describe",
    "known_potentials",
    "resolve",
    "weights_status",
]
