"""The notebook in ``examples/`` runs: its cells one after the other; Jupyter is not needed for that."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest

from softmode.notebook.results import Measured

NOTEBOOK = Path(__file__).resolve().parents[2] / "examples" / "phonons.ipynb"


def run(source: str, names: dict[str, Any]) -> Any:
    """Execute a cell; what its last line is worth, where that is an expression."""
    tree = ast.parse(source)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, NOTEBOOK.name, "exec"), names)
    return eval(compile(ast.Expression(last.value), NOTEBOOK.name, "eval"), names) if last else None  # type: ignore[attr-defined]


@pytest.mark.real_potential
def test_the_notebook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("chgnet")
    monkeypatch.chdir(tmp_path)
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    assert not any(cell["outputs"] for cell in cells)
    names: dict[str, Any] = {}
    shown = [run("".join(cell["source"]), names) for cell in cells]
    assert {path.name for path in tmp_path.iterdir()} == {"phonopy_params.yaml", "band.yaml"}
    assert sum(hasattr(one, "_repr_png_") for one in shown) == 2  # figures
    assert sum(isinstance(one, Measured) for one in shown) == 2
    comparison, sigma = names["comparison"], names["sigma"]
    assert comparison.path.lowest_reference_THz < -0.5  # the tilts of the cubic crystal
    assert 0.5 < comparison.path.softening < 0.8  # CHGNet's softening
    assert list(sigma.sides) == ["reference", "phi_ref", "phi_model"]
    assert sigma.reference.class_name == "strong"
    assert 0.0 < names["phonon"].thermal_properties.heat_capacity[0] < 3 * 10 * 8.3145  # Dulong and Petit
