"""A measurement sees what it declares and nothing else; keys hold exactly that."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from report_page import document_of, panel_of
from tiny_study import EMT_NAME, emt, run_tiny, tiny_study

from softmode.datasets import open_reference
from softmode.errors import SettingsError, UndeclaredInputError
from softmode.measurements import Facts, Given, Measurement, Result, View, derived, registry
from softmode.measurements.conditions import Conditions
from softmode.measurements.map import MapSettings
from softmode.measurements.md import DynamicsSettings
from softmode.measurements.measure import measure
from softmode.measurements.plan import record_inputs
from softmode.measurements.view import Sources
from softmode.potentials import resolve
from softmode.records import Record
from softmode.report.build import build_report

MEASUREMENTS = dict(registry.measurements())
FACTS = Facts("structure", "reference", "trajectory", "potential", {"prototype": "abx3"})


@pytest.fixture
def view_of(tiny_dataset: Path) -> Callable[..., View]:
    """A view of copper with EMT that may read what is named."""
    material, potential = open_reference(tiny_dataset / "Cu"), resolve(EMT_NAME)

    def made(*uses: Any) -> View:
        facts = replace(FACTS, structure=material.structure_digest, reference=material.reference_digest)
        sources = Sources(facts, lambda: material, None, potential.load, "EMT")
        records = {"harmonic": Record("0", "harmonic", {})}
        return View(sources, Conditions.create(), uses, who="measurement x", records=records)

    return made


@derived("reference", "protocol.symmetrise")
def of_reference(view: View) -> bool:
    return view.reference.reference is not None and view.protocol.symmetrise


@derived("structure")
def reading_more(view: View) -> int:
    return view.protocol.points_per_segment


READS: dict[str, Callable[[View], Any]] = {
    "structure": lambda view: view.structure,
    "reference": lambda view: view.reference,
    "trajectory": lambda view: view.trajectory,
    "potential": lambda view: view.potential,
    "seed": lambda view: view.seed,
    "tags.prototype": lambda view: view.tag("prototype"),
    "protocol.symmetrise": lambda view: view.protocol.symmetrise,
    "md.steps": lambda view: view.settings(DynamicsSettings).steps,
    "map.kernel.alpha": lambda view: view.settings(MapSettings).kernel.alpha,
}


@pytest.mark.parametrize("use", READS)
def test_what_is_declared_can_be_read_and_nothing_else(view_of: Callable[..., View], use: str) -> None:
    if use != "trajectory":  # there is none to load
        READS[use](view_of(use))
    others = [other for other in READS if other != use and not {use, other} <= {"structure", "reference"}]
    first = use.split(".")[0]
    for declared in ((), others[:1], [other for other in others if other != "reference"]):
        with pytest.raises(UndeclaredInputError, match=rf"measurement x: reads '{first}.*does not declare"):
            READS[use](view_of(*declared))


def test_the_structure_alone_comes_without_reference_data(view_of: Callable[..., View]) -> None:
    assert view_of("structure").structure.reference is None
    assert not view_of("structure").structure.tags
    assert view_of("reference").reference.reference is not None
    with pytest.raises(UndeclaredInputError):
        _ = view_of("structure").reference


def test_a_whole_table_may_be_declared(view_of: Callable[..., View]) -> None:
    assert view_of("map").settings(MapSettings) == MapSettings()
    assert view_of("map.kernel").settings(MapSettings).kernel == MapSettings().kernel
    with pytest.raises(UndeclaredInputError, match=r"map\.soap"):
        _ = view_of("map.kernel").settings(MapSettings).soap


def test_a_given_value_is_read_by_its_name(view_of: Callable[..., View]) -> None:
    half = Given("half", lambda conditions, facts: 0.5 * conditions.protocol.mesh_length)
    assert view_of(half).given("half") == 30.0
    assert view_of(half).inputs() == {"threads": 1, "half": 30.0}
    with pytest.raises(UndeclaredInputError, match="half"):
        view_of().given("half")


def test_records_are_those_that_are_required(view_of: Callable[..., View]) -> None:
    assert view_of().records["harmonic"].ok
    with pytest.raises(UndeclaredInputError, match="the record of 'md'"):
        _ = view_of().records["md"]


def test_what_is_shared_is_declared_by_both_sides(view_of: Callable[..., View]) -> None:
    assert of_reference(view_of("reference", "protocol.symmetrise"))
    with pytest.raises(UndeclaredInputError, match=r"measurement x: reads 'protocol\.symmetrise'"):
        of_reference(view_of("reference"))
    with pytest.raises(UndeclaredInputError, match=r"\(reading_more\): reads 'protocol\.points_per_segment'"):
        reading_more(view_of("structure", "protocol.points_per_segment"))


def test_a_key_is_made_from_what_is_declared(view_of: Callable[..., View], tiny_dataset: Path) -> None:
    material = open_reference(tiny_dataset / "Cu")
    view = view_of("reference", "seed", "md.steps", "tags.prototype")
    assert view.inputs() == {
        "threads": 1,
        "reference": material.reference_digest,
        "seed": 2026,
        "md.steps": 2000,
        "tags.prototype": "abx3",
    }


def test_a_measurement_that_reads_beyond_fails_its_cell(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped in a study and on its own; it cannot make a record that would go stale."""
    greedy = Measurement(
        "greedy",
        version=1,
        function=lambda view: Result({"seed": view.seed}),
        uses=("structure",),
        title="reads what it does not declare",
    )
    known = {**registry.measurements(), "greedy": greedy}
    monkeypatch.setattr(registry, "measurements", lambda: known)
    study, report = run_tiny(
        tiny_study(tiny_dataset, tmp_path / "o", emt(), measurements=["greedy"], ids=["Cu"])
    )
    assert report.failed == 1
    failure = study.records(study.cases[0])["greedy"].failure
    assert failure is not None
    assert "reads 'seed'" in failure.message
    with pytest.raises(UndeclaredInputError, match="measurement greedy"):
        measure("greedy", open_reference(tiny_dataset / "Cu"))


def test_every_setting_that_a_measurement_declares_exists() -> None:
    """A misspelt use would be an error of every case: it is found here."""
    conditions = Conditions.create()
    for name in registry.measurements():
        assert record_inputs([name], FACTS, conditions), name


@pytest.mark.parametrize("use", ["referense", "protocol.nonsense", "md.stepz"])
def test_a_use_that_there_is_not_is_named(view_of: Callable[..., View], use: str) -> None:
    with pytest.raises(SettingsError, match=rf"measurement x: uses '{use}', which there is not"):
        view_of(use).inputs()


def test_a_setting_that_there_is_not_is_no_question_of_declaring(view_of: Callable[..., View]) -> None:
    with pytest.raises(AttributeError, match=r"there is no setting protocol\.nonsense"):
        _ = view_of("seed").protocol.nonsense  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("tables", "said"),
    [
        ({"mdd": DynamicsSettings()}, "no settings 'mdd'"),
        ({"md": MapSettings()}, "a DynamicsSettings is wanted, not a MapSettings"),
        ({"md": {"stepz": 1}}, "stepz"),
    ],
)
def test_tables_of_conditions_are_checked(tables: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Conditions(tables=tables)


def test_tables_of_conditions_may_be_given_as_dictionaries() -> None:
    assert Conditions(tables={"md": {"steps": 30}}).of(DynamicsSettings).steps == 30


def measurement_that(function: Callable[[View], Result], **more: Any) -> Measurement:
    return Measurement("odd", version=1, function=function, uses=("structure",), title="odd", **more)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (lambda view: Result({"x_eV": np.zeros(3)}), "its value 'x_eV' is a ndarray"),
        (lambda view: Result({"x": {"y": {1, 2}}}), "its value 'x' is a dict.*set is not JSON"),
        (lambda view: 1 / 0, r"ZeroDivisionError.*measurement odd, test_measurements_view\.py:\d+"),
    ],
)
def test_what_is_wrong_with_a_measurement_is_said(
    tiny_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    function: Callable[[View], Result],
    said: str,
) -> None:
    known = {**registry.measurements(), "odd": measurement_that(function)}
    monkeypatch.setattr(registry, "measurements", lambda: known)
    study, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", emt(), measurements=["odd"], ids=["Cu"]))
    failure = study.records(study.cases[0])["odd"].failure
    assert failure is not None
    assert re.search(said, failure.message)


def test_a_figure_that_fails_does_not_take_the_page_with_it(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def panels(results: Any) -> list[Any]:
        raise ValueError("no ink")

    odd = measurement_that(lambda view: Result({"x": 1.0}), panels=panels)
    monkeypatch.setattr(registry, "measurements", lambda: {**MEASUREMENTS, "odd": odd})
    study, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", emt(), measurements=["odd"], ids=["Cu"]))
    [said] = panel_of(document_of(build_report(study)), "odd")["missing"]
    assert "Its figures cannot be made (ValueError: no ink)" in said
