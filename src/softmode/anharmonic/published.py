"""The figures printed by Yang et al., to set beside a run's own."""

from __future__ import annotations

import tomllib
from functools import cache
from importlib.resources import files
from typing import Any

import numpy as np

from softmode.anharmonic.confusion import ConfusionMatrix

CITATION = "Yang, Yin, Ao & Li, Phys. Chem. Chem. Phys. 28, 4459 (2026), doi:10.1039/d5cp04693a"

#: Our name of an approach by the name in the file of published figures.
_APPROACHES = {"phi_dft": "phi_ref", "phi_model": "phi_model"}


@cache
def _figures() -> dict[str, Any]:
    text = files("softmode").joinpath("data", "published", "yang2026.toml").read_text(encoding="utf-8")
    return tomllib.loads(text)


def published_confusion_matrices() -> dict[tuple[str, str], ConfusionMatrix]:
    """Confusion matrices of paper Fig. 3, by approach (``phi_ref``, ``phi_model``) and name of the model.

    The models are named as in the paper (``omat-0-medium``); :func:`published_model_keys` translates.
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


def published_model_keys() -> dict[str, str]:
    """Name of each model in the paper, by its key in mace-torch."""
    return {model["mace_torch_key"]: model["name"] for model in _figures()["model"]}
