from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_study import emt, factory, tiny_study

from softmode.crystal import ForceConstants, NonAnalyticalCorrection
from softmode.datasets import open_reference
from softmode.harmonic.protocol import HarmonicProtocol
from softmode.measurements import Facts, registry
from softmode.measurements.conditions import Conditions
from softmode.measurements.plan import planned, record_inputs
from softmode.records import digest_of
from softmode.study.folder import Case, open_study

FACTS = Facts("structure", "reference", "", "potential")
CONDITIONS = Conditions.create({"seed": 1})
ADAPTIVE = {"sigma": {"frames": "adaptive"}, "one_shot": {"until": "adaptive"}}


def digests(inputs: dict[str, dict[str, Any]]) -> dict[str, str]:
    return {name: digest_of(content) for name, content in inputs.items()}


def keys(facts: Facts = FACTS, conditions: Conditions = CONDITIONS) -> dict[str, str]:
    return digests(record_inputs(("harmonic",), facts, conditions))


def under(**protocol: Any) -> Conditions:
    return Conditions.create({"seed": 1, "protocol": protocol})


def changed(facts: Facts = FACTS, conditions: Conditions = CONDITIONS) -> set[str]:
    before, after = keys(), keys(facts, conditions)
    assert before.keys() == after.keys()
    return {name for name in before if before[name] != after[name]}


def test_what_is_accepted_is_named_by_records_of_the_reference_and_only_then() -> None:
    accepted = replace(FACTS, tags={"accepted": "net_force", "accepted_figures": "9 %"})
    assert changed(accepted) == {HARMONIC}
    inputs = record_inputs(("harmonic",), accepted, CONDITIONS)
    assert inputs[HARMONIC]["accepted"] == "net_force"
    assert "accepted" not in record_inputs(("harmonic",), FACTS, CONDITIONS)[HARMONIC]


FORCES, HARMONIC = "displaced_forces", "harmonic"


@pytest.mark.parametrize(
    ("setting", "value", "affected"),
    [
        ("mesh_length", 61.0, {HARMONIC}),
        ("points_per_segment", 51, {HARMONIC}),
        ("symmetrise", False, {HARMONIC}),
        ("imaginary_tolerance", 0.2, {HARMONIC}),
        ("nac", "reference", {HARMONIC}),
        ("dispersion_displacement", 0.02, {FORCES, HARMONIC}),
        ("force_constants", "analytic", {FORCES, HARMONIC}),
        ("structure", "relaxed", {FORCES, HARMONIC}),
        ("structure", "both", set()),
        ("sigma_displacement", 0.02, set()),
        ("relax_fmax", 1e-5, set()),
        ("name", "another", set()),
    ],
)
def test_a_protocol_setting_changes_what_depends_on_it(setting: str, value: Any, affected: set[str]) -> None:
    protocol = HarmonicProtocol.model_validate({**HarmonicProtocol().model_dump(), setting: value})
    assert protocol != HarmonicProtocol()
    conditions = CONDITIONS.model_copy(update={"protocol": protocol})
    assert changed(conditions=conditions) == affected


def test_the_convergence_of_a_relaxation_counts_where_there_is_one() -> None:
    one, two = (keys(conditions=under(structure="relaxed", relax_fmax=fmax)) for fmax in (1e-4, 1e-5))
    assert not set(one.values()) & set(two.values())


@pytest.mark.parametrize(
    ("part", "affected"),
    [("structure", {FORCES, HARMONIC}), ("potential", {FORCES, HARMONIC}), ("reference", {HARMONIC})],
)
def test_a_part_of_the_cell_changes_what_depends_on_it(part: str, affected: set[str]) -> None:
    assert changed(replace(FACTS, **{part: "another"})) == affected


def test_every_protocol_setting_is_accounted_for() -> None:
    """A setting added later must be put into the keys, or be named in the test above as without effect."""
    known = {
        *("name", "dispersion_displacement", "sigma_displacement", "symmetrise", "structure", "relax_fmax"),
        *("points_per_segment", "mesh_length", "imaginary_tolerance", "nac", "force_constants"),
    }
    assert set(HarmonicProtocol.model_fields) == known


def test_a_new_version_of_a_measurement_changes_it_and_what_requires_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, known = keys(), dict(registry.measurements())
    for name, affected in ((HARMONIC, {HARMONIC}), (FORCES, {FORCES, HARMONIC})):
        newer = known | {name: replace(known[name], version=99)}
        monkeypatch.setattr(registry, "measurements", lambda newer=newer: newer)
        after = keys()
        assert {key for key in before if before[key] != after[key]} == affected
        monkeypatch.undo()


def test_requirements_come_first() -> None:
    assert planned(("harmonic",), FACTS, CONDITIONS) == ("displaced_forces", "harmonic")
    assert list(record_inputs(("harmonic",), FACTS, CONDITIONS)) == ["displaced_forces", "harmonic"]
    known = registry.measurements()
    positions = {name: place for place, name in enumerate(known)}
    for measurement in known.values():
        assert all(positions[other] < positions[measurement.name] for other in measurement.requires)


def test_digests_of_a_material_tell_structure_from_reference(tiny_dataset: Path) -> None:
    material = open_reference(tiny_dataset / "Cu")
    values = np.random.default_rng(0).normal(size=(8, 8, 3, 3))
    other = replace(material, reference=ForceConstants(values))
    assert other.structure_digest == material.structure_digest
    assert other.reference_digest != material.reference_digest
    charges = NonAnalyticalCorrection(np.zeros((1, 3, 3)), np.eye(3), 14.4)
    assert replace(material, nac=charges).reference_digest != material.reference_digest
    assert replace(material, name="x", formula="y", tags={}).reference_digest == material.reference_digest


def cell_of(dataset: Path, output: Path, potential: dict[str, Any], **more: Any) -> Case:
    return open_study(tiny_study(dataset, output, potential, ids=["Cu"], **more)).cases[0]


def record_digests(cell: Case) -> list[str]:
    return [digest_of(inputs) for inputs in cell.inputs.values()]


def test_labels_titles_seeds_and_workers_change_no_key(tiny_dataset: Path, tmp_path: Path) -> None:
    plain = cell_of(tiny_dataset, tmp_path / "a", emt("one"))
    other = cell_of(tiny_dataset, tmp_path / "b", emt("two"), name="another", seed=1, run={"workers": 2})
    assert (plain.label, other.label) == ("one", "two")
    assert record_digests(plain) == record_digests(other)


def test_arguments_of_a_potential_change_its_keys(tiny_dataset: Path, tmp_path: Path) -> None:
    one, two = (
        cell_of(tiny_dataset, tmp_path / str(factor), factory("scaled_emt", factor=factor))
        for factor in (0.9, 0.8)
    )
    assert not set(record_digests(one)) & set(record_digests(two))


def test_a_moved_dataset_keeps_its_keys(tiny_dataset: Path, own_dataset: Path, tmp_path: Path) -> None:
    here = cell_of(tiny_dataset, tmp_path / "a", emt())
    there = cell_of(own_dataset, tmp_path / "b", emt())
    assert record_digests(here) == record_digests(there)


WITH_TRAJECTORY = replace(FACTS, trajectory="trajectory")


def all_keys(facts: Facts = WITH_TRAJECTORY, conditions: Conditions = CONDITIONS) -> dict[str, str]:
    return digests(record_inputs(("harmonic", "sigma"), facts, conditions))


def test_measurements_of_trajectories_apply_only_where_there_is_one() -> None:
    assert set(all_keys(FACTS)) == {"displaced_forces", "harmonic"}
    assert set(all_keys(WITH_TRAJECTORY)) == {
        *("displaced_forces", "harmonic", "displaced_forces_for_sigma", "trajectory_forces", "sigma"),
        "reference_sigma",
    }


def test_equal_displacements_share_a_record_and_different_ones_do_not() -> None:
    equal = all_keys(WITH_TRAJECTORY)
    assert equal["displaced_forces"] == equal["displaced_forces_for_sigma"]
    published = all_keys(conditions=Conditions.create({"protocol": "yang2026"}))
    assert published["displaced_forces"] != published["displaced_forces_for_sigma"]


def test_no_displacement_decides_analytic_force_constants() -> None:
    analytic = [
        all_keys(conditions=Conditions.create({"protocol": {"force_constants": "analytic", **displacement}}))
        for displacement in ({}, {"dispersion_displacement": 0.02}, {"sigma_displacement": 0.03})
    ]
    assert {keys["displaced_forces"] for keys in analytic} == {analytic[0]["displaced_forces_for_sigma"]}
    assert {keys["displaced_forces_for_sigma"] for keys in analytic} == {analytic[0]["displaced_forces"]}


@pytest.mark.parametrize(
    ("facts", "conditions", "expected"),
    [
        ({}, {"seed": 2}, {"reference_sigma", "sigma"}),
        ({"trajectory": "other"}, {}, {"trajectory_forces", "reference_sigma", "sigma"}),
        ({"reference": "other"}, {}, {"harmonic", "reference_sigma", "sigma"}),
        ({}, {"protocol": {"sigma_displacement": 0.03}}, {"displaced_forces_for_sigma", "sigma"}),
        ({}, {"protocol": {"mesh_length": 30.0}}, {"harmonic"}),
        ({}, {"md": {"steps": 100}, "map": {"model_every": 2}}, set()),
    ],
)
def test_what_a_change_computes_anew(
    facts: dict[str, str], conditions: dict[str, Any], expected: set[str]
) -> None:
    before = all_keys()
    after = all_keys(replace(WITH_TRAJECTORY, **facts), Conditions.create({"seed": 1, **conditions}))
    assert {name for name in before if before[name] != after[name]} == expected


def test_threads_change_every_key() -> None:
    """Sums on another number of threads have other last bits."""
    one, two = (keys(conditions=Conditions.create({"threads": n})) for n in (1, 2))
    assert not set(one.values()) & set(two.values())


def test_the_reference_is_scored_once_for_all_potentials() -> None:
    one, other = (all_keys(replace(WITH_TRAJECTORY, potential=name)) for name in ("one", "other"))
    assert {name for name in one if one[name] == other[name]} == {"reference_sigma"}


@pytest.mark.parametrize(
    ("conditions", "expected"), [({}, True), (ADAPTIVE, False)], ids=["fixed", "adaptive"]
)
def test_what_helpers_can_take_over_is_known_from_the_inputs(
    conditions: dict[str, Any], expected: bool
) -> None:
    facts = replace(FACTS, trajectory="trajectory")
    inputs = record_inputs(("sigma", "one_shot"), facts, Conditions.create(conditions))
    found = {
        name: divides(inputs[name]) for name in inputs if (divides := registry.measurement(name).divides)
    }
    assert found == {"trajectory_forces": expected, "thermal_forces": expected}
