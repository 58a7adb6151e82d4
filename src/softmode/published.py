"""The figures printed by Yang et al., to set beside a run's own."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from softmode.statistics.confusion import ConfusionMatrix

CITATION = "Yang, Yin, Ao & Li, Phys. Chem. Chem. Phys. 28, 4459 (2026), doi:10.1039/d5cp04693a"
DOI_URL = "https://doi.org/10.1039/d5cp04693a"

#: Our name of an approach by the name in the file of published figures.
_APPROACHES = {"phi_dft": "phi_ref", "phi_model": "phi_model"}


@cache
def _figures() -> dict[str, Any]:
    text = files("softmode").joinpath("data", "published", "yang2026.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def published_confusion_matrices() -> dict[tuple[str, str], ConfusionMatrix]:
    """Confusion matrices of paper Fig. 3, by approach (``phi_ref``, ``phi_model``) and name of the model.

    The models are named as in the paper (``omat-0-medium``); :func:`published_models` has their other names.
    """
    return {
        (_APPROACHES[approach], model): ConfusionMatrix(np.array(counts))
        for approach, matrices in _figures()["fig3"].items()
        for model, counts in matrices.items()
    }


def published_model_only_shares() -> tuple[str, float, float]:
    """Paper Fig. 4: model, share called more stable, share called less stable (``model_only``).

    The counts of that figure are not in the text.
    """
    figure = _figures()["fig4"]
    more, less = figure["called_more_stable_than_dft"], figure["called_less_stable_than_dft"]
    return "omat-0-medium", float(more), float(less)


class _Printed(BaseModel):
    """A part of the file of published figures, under our names of its keys."""

    model_config = ConfigDict(frozen=True)


class PublishedModel(_Printed):
    """A model as it stands in Table 1 of the paper.

    Parameters
    ----------
    name, key : str
        The paper's name, and mace-torch's.
    n_elements : int
        Number of elements covered.
    training, theory, notes : str
        Training data, level of theory and remarks.
    """

    name: str
    key: str = Field(alias="mace_torch_key")
    n_elements: int = Field(alias="elements")
    training: str
    theory: str
    notes: str


def published_models() -> tuple[PublishedModel, ...]:
    """Table 1 of the paper, in its order."""
    return tuple(map(PublishedModel.model_validate, _figures()["model"]))


class PublishedHarmonic(_Printed):
    """What the paper says of its Fig. 1, of which no numbers are printed.

    Parameters
    ----------
    best_chloride, worst_chloride : str
        Compounds with the smallest and largest RMSE(ω²) of the chlorides, with omat-0-medium.
    trend : str
        Its findings in words.
    best_model, worst_model : str
        Models with the smallest and largest RMSE(ω²).
    worst_over_best : float
        About how many times larger the RMSE(ω²) of the worst model is than that of the best.
    """

    best_chloride: str = Field(alias="best_rmse_w2_chloride")
    worst_chloride: str = Field(alias="worst_rmse_w2_chloride")
    trend: str
    best_model: str
    worst_model: str
    worst_over_best: float = Field(alias="worst_over_best_rmse_w2")


def published_harmonic() -> PublishedHarmonic:
    """Fig. 1 of the paper in words."""
    return PublishedHarmonic.model_validate(_figures()["harmonic"])


class PublishedCompound(_Printed):
    """A row of Table 2 of the paper: a fluoride whose sampled configurations Fig. 6 maps.

    Parameters
    ----------
    formula : str
        The compound.
    class_reference, class_model : str
        σ of reference and model as printed (``<0.5``, ``[0.5, 1]``, ``>0.5``).
    difference : float
        ``|σ_reference - σ_model|``.
    """

    formula: str = Field(alias="compound")
    class_reference: str = Field(alias="sigma_dft")
    class_model: str = Field(alias="sigma_model")
    difference: float


def published_compounds() -> tuple[PublishedCompound, ...]:
    """Table 2 of the paper, in its order."""
    return tuple(map(PublishedCompound.model_validate, _figures()["table2"]))


class PublishedTrajectories(_Printed):
    """What the paper's text says of the reference trajectories.

    Parameters
    ----------
    n_valid : int
        Compounds with a valid trajectory, on whose frames Fig. 3 was evaluated.
    reference_ps, extended_ps : float
        Length of the reference runs at most, and of those extended for Figs. S11 and S12, ps.
    """

    n_valid: int = Field(alias="valid")
    reference_ps: float
    extended_ps: float = Field(alias="extended_reference_ps")


def published_trajectories() -> PublishedTrajectories:
    """Number and length of the reference trajectories."""
    return PublishedTrajectories.model_validate(_figures()["trajectories"])
