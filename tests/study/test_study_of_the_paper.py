"""Measurements of one potential alone, and the example that is the paper's own study."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

import pytest
from hdp_potential import VARIANTS, Compound
from hdp_standin import FOLDERS, make_truth, write_compound
from tiny_study import emt, factory, run_tiny, tiny_study

from softmode.errors import SettingsError
from softmode.measurements.md import DynamicsSettings
from softmode.potentials.registry import find_entry
from softmode.published import published_models
from softmode.study.folder import Study, open_study, reopen_study
from softmode.study.results import cell_table, done
from softmode.study.settings import StudySettings, load_study, parse_study

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "yang2026.toml"
ALL = ("harmonic", "sigma", "model_only", "map")


def test_a_potential_may_be_measured_by_part_of_the_measurements(tiny_dataset: Path, tmp_path: Path) -> None:
    settings = tiny_study(
        tiny_dataset,
        tmp_path / "o",
        emt("both"),
        factory("scaled_emt", "one", factor=0.8) | {"measurements": ["harmonic"]},
        measurements=["harmonic", "model_phonons"],
        ids=("Cu",),
    )
    run_tiny(settings)
    study = reopen_study(tmp_path / "o")
    assert {cell.label: tuple(cell.inputs) for cell in study.cases} == {
        "both": ("displaced_forces", "harmonic", "model_phonons"),
        "one": ("displaced_forces", "harmonic"),
    }
    table = cell_table(study)
    assert list(done(table, "harmonic")["potential"]) == ["both", "one"]
    assert list(done(table, "model_phonons")["potential"]) == ["both"]
    assert list(table["state"]) == ["ok", "ok"]


def test_it_changes_no_key(tiny_dataset: Path, tmp_path: Path) -> None:
    def inputs(name: str, **more: Any) -> dict[str, Any]:
        settings = tiny_study(tiny_dataset, tmp_path / name, emt("emt", **more), measurements=["harmonic"])
        study = open_study(settings)
        return dict(study.cases[0].inputs)

    assert inputs("a") == inputs("b", measurements=["harmonic"])


def test_a_measurement_that_the_study_does_not_make_is_refused() -> None:
    content = {
        "name": "n",
        "output": "o",
        "dataset": {"kind": "example"},
        "measurements": ["harmonic"],
        "potential": [emt("mine", measurements=["sigma"])],
    }
    with pytest.raises(SettingsError, match=r"'mine' names 'sigma'.*add it there"):
        parse_study(content, "study.toml")
    content["potential"] = [emt("mine", measurement=["harmonic"])]
    with pytest.raises(SettingsError, match="did you mean 'measurements'"):
        parse_study(content, "study.toml")


@pytest.fixture(scope="module")
def example() -> StudySettings:
    return load_study(EXAMPLE)


@pytest.fixture(scope="module")
def opened(example: StudySettings, tmp_path_factory: pytest.TempPathFactory) -> Study:
    """The example on two compounds of the stand-in, with potentials that need no weights."""
    root = tmp_path_factory.mktemp("example")
    for compound in (Compound("Cs", "K", "Dy", "Cl"), Compound("K", "Na", "Al", "F")):
        truth = make_truth(compound, (3, 3))
        write_compound(root / "tree" / FOLDERS[compound.x] / truth.uid, truth)
    content = example.content()
    content["output"] = str(root / "run")
    content["dataset"] |= {"path": str(root / "tree"), "options": {"skip": 0}}
    for entry, kwargs in zip(content["potential"], VARIANTS.values(), strict=True):
        entry |= {"label": entry["name"], "name": "hdp_potential:cheap", "kwargs": kwargs}
    return open_study(parse_study(content, "example"))


def test_the_example_is_the_papers_study(example: StudySettings) -> None:
    assert [potential.name for potential in example.potentials] == [
        model.name for model in published_models()
    ]
    for potential, model in zip(example.potentials, published_models(), strict=True):
        entry = find_entry(potential.name)
        assert entry is not None
        assert entry == find_entry(model.key)
        assert entry.url is not None
    protocol, md = example.conditions.protocol, example.conditions.of(DynamicsSettings)
    assert protocol.name == "yang2026"
    assert (protocol.dispersion_displacement, protocol.sigma_displacement) == (0.01, 0.02)
    assert not protocol.symmetrise
    assert md.thermostat == "andersen"
    assert (md.steps, md.replicas, md.collision_probability) == (2000, 2, 0.5)
    assert example.dataset.kind == "hdp"
    assert example.measurements == ALL


def test_the_example_plans_dynamics_with_omat_alone(opened: Study) -> None:
    planned: dict[str, set[str]] = {}
    for cell in opened.cases:
        assert cell.failure is None
        planned.setdefault(cell.label, set()).update(cell.inputs)
    assert len(opened.cases) == 8
    assert set(ALL) <= planned["omat-0-medium"]
    assert {"md", "reference_sigma"} <= planned["omat-0-medium"]
    for label in ("matpes-pbe-omat-ft", "mpa-0-medium", "mp-0b3-medium"):
        assert planned[label] & {*ALL, "md"} == {"harmonic", "sigma"}


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.real_potential
@pytest.mark.parametrize(
    ("potential", "phi_ref", "phi_model"), [("chgnet", 0.504, 0.457), ("7net-0", 0.499, 0.473)]
)
def test_srtio3_is_as_anharmonic_as_an_independent_calculation_says(
    potential: str, phi_ref: float, phi_model: float, shared_data: Path, tmp_path: Path
) -> None:
    """Overall σ with the reference's and the potential's force constants, to the digits it was given with.

    That calculation used upstream's calculators and phonopy alone, with displacements of 0.02 Å.
    """
    pytest.importorskip({"7net-0": "sevenn"}.get(potential, potential))
    content = tomllib.loads(EXAMPLE.with_name("srtio3.toml").read_text(encoding="utf-8"))
    content["dataset"]["path"] = str(shared_data / "srtio3_alamode")
    content |= {"output": str(tmp_path / "o"), "potential": [{"name": potential}]}
    run_tiny(parse_study(content, "srtio3.toml"))
    [row] = cell_table(reopen_study(tmp_path / "o")).to_dict("records")
    assert row["sigma_reference_overall"] == pytest.approx(0.4775, abs=5e-5)
    assert row["sigma_phi_ref_overall"] == pytest.approx(phi_ref, abs=6e-4)
    assert row["sigma_phi_model_overall"] == pytest.approx(phi_model, abs=6e-4)
