"""Frames to map: the embedded example, and a small crystal whose motion is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from softmode.configurations import ArrayFeatures, SoapSettings, soap_features
from softmode.datasets.example import load_trajectory

FloatArray = NDArray[np.float64]


@pytest.fixture(scope="session")
def perovskite_frames() -> ArrayFeatures:
    """The 15 embedded frames of 80 atoms at 300 K with the settings of the paper."""
    trajectory = load_trajectory()
    return ArrayFeatures(soap_features(trajectory), np.sort(trajectory.numbers))


@pytest.fixture(scope="session")
def small_soap() -> SoapSettings:
    """Settings that make short vectors in no time."""
    return SoapSettings(r_cut=4.0, n_max=4, l_max=3, sigma=0.4)
