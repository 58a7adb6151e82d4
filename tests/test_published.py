"""What the paper prints, as it is embedded."""

from __future__ import annotations

import numpy as np
import pytest

from softmode.published import (
    CITATION,
    published_confusion_matrices,
    published_model_only_shares,
    published_models,
)


def test_published_matrices_have_the_printed_numbers_of_materials() -> None:
    matrices = published_confusion_matrices()
    assert len(matrices) == 8
    assert {approach for approach, _ in matrices} == {"phi_ref", "phi_model"}
    assert {model for _, model in matrices} == {model.name for model in published_models()}
    for _, model in matrices:
        # The reference classes of a material do not depend on the approach.
        rows = [matrices[approach, model].counts.sum(axis=1) for approach in ("phi_ref", "phi_model")]
        np.testing.assert_array_equal(*rows)
    totals = {model: matrices["phi_ref", model].n_materials for _, model in matrices}
    assert totals == {
        "matpes-pbe-omat-ft": 1682,
        "mpa-0-medium": 1690,
        "mp-0b3-medium": 1690,
        "omat-0-medium": 1689,
    }
    assert "10.1039/d5cp04693a" in CITATION


def test_published_shares_are_of_the_stated_kind() -> None:
    model, more, less = published_model_only_shares()
    assert (model, more, less) == ("omat-0-medium", 0.38, 0.06)
    # Force constants decide who is called more stable: 275 of 720 on the reference's configurations already.
    matrix = published_confusion_matrices()["phi_model", model]
    assert matrix.called_more_stable() == pytest.approx(275 / 720)
    assert round(matrix.called_more_stable(), 2) == more
    assert matrix.called_less_stable() == pytest.approx(18 / 1446)
