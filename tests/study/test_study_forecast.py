"""What a study is said to lack is what its run then does."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_study import emt, factory, run_tiny, tiny_study

from softmode.cluster.settings import ClusterSettings
from softmode.study.folder import Study, open_study
from softmode.study.forecast import by_pool, forecast
from softmode.study.settings import StudySettings


def evaluations(log: Path) -> int:
    return len(log.read_text().splitlines()) if log.exists() else 0


def counted(dataset: Path, folder: Path, **more: object) -> StudySettings:
    return tiny_study(dataset, folder / "o", factory("counting_emt", "emt", log=str(folder / "log")), **more)


@pytest.mark.parametrize(
    "measurements",
    [["harmonic"], ["harmonic", "one_shot"], ["self_consistent"], ["model_phonons", "model_only"]],
)
def test_calls_are_those_the_run_makes(tiny_dataset: Path, tmp_path: Path, measurements: list[str]) -> None:
    md = {"steps": 20, "replicas": 2, "sample_every": 5}
    settings = counted(tiny_dataset, tmp_path, measurements=measurements, md=md)
    study = open_study(settings)
    [said] = forecast(study)
    assert (said.label, said.cells, said.settled, said.problem) == ("emt", 3, 0, "")
    before = evaluations(tmp_path / "log")
    run_tiny(settings)
    made = evaluations(tmp_path / "log") - before
    # dynamics: each run is also evaluated where it starts
    assert said.calls == pytest.approx(made, abs=0 if "model_only" not in measurements else 12)
    assert sum(said.records.values()) == len(list(study.store.root.glob("*/*.h5")))
    [after] = forecast(open_study(settings))
    assert (after.settled, after.calls, after.seconds, dict(after.records)) == (3, 0, 0.0, {})


def test_relaxations_count_as_what_they_cost(tiny_dataset: Path, tmp_path: Path) -> None:
    study = open_study(tiny_study(tiny_dataset, tmp_path / "o", emt(), protocol={"relax": True}))
    [said] = forecast(study)
    materials = [case.entry.load() for case in study.cases if case.entry is not None]
    shares = [1 / np.linalg.det(material.supercell_matrix) for material in materials]
    assert said.calls == sum(2 + np.ceil(14 * share) for share in shares)


def test_records_that_are_there_are_left_out(tiny_dataset: Path, tmp_path: Path) -> None:
    run_tiny(tiny_study(tiny_dataset, tmp_path / "o", emt(), ids=["Al"]))
    more = tiny_study(tiny_dataset, tmp_path / "o", emt(), measurements=["harmonic", "model_phonons"])
    [said] = forecast(open_study(more))
    assert (said.cells, said.settled) == (3, 0)
    assert Counter(said.records) == {"displaced_forces": 2, "harmonic": 2, "model_phonons": 3}


def test_time_grows_with_the_calls_and_their_cost(tiny_dataset: Path, tmp_path: Path) -> None:
    slow = factory("slow_emt", "slow", seconds=0.02)
    [quick, late] = forecast(open_study(tiny_study(tiny_dataset, tmp_path / "o", emt(), slow)))
    assert quick.calls == late.calls == 6  # the perfect supercell and one displaced, in three metals
    assert quick.seconds is not None
    assert late.seconds is not None
    assert 6 * 0.02 <= late.seconds < 6 * 0.2
    assert quick.seconds < late.seconds


def test_many_materials_are_sampled(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("softmode.study.forecast._SAMPLED", 2)
    loads: list[str] = []
    study = open_study(tiny_study(tiny_dataset, tmp_path / "o"))
    watch(study, loads, monkeypatch)
    [said] = forecast(study)
    assert loads == ["Al", "Cu"]
    assert said.calls == 6


def watch(study: Study, loads: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(study.cases[0].entry)
    load = kind.load

    def counting(self: object) -> object:
        loads.append(self.name)  # type: ignore[attr-defined]
        return load(self)  # type: ignore[arg-type]

    monkeypatch.setattr(kind, "load", counting)


def test_what_cannot_be_loaded_or_evaluated_is_said(tiny_dataset: Path, tmp_path: Path) -> None:
    absent = {"name": "no_such_module:factory", "label": "absent"}
    found = forecast(
        open_study(tiny_study(tiny_dataset, tmp_path / "o", emt(), absent, factory("raising_emt", "broken")))
    )
    by_label = {one.label: one for one in found}
    assert by_label["emt"].problem == ""
    assert "no_such_module" in by_label["absent"].problem
    assert by_label["absent"].seconds is None
    assert "all [red] fears" in by_label["broken"].problem
    assert by_label["broken"].seconds is None


def test_time_is_what_recorded_cells_took(tiny_dataset: Path, tmp_path: Path) -> None:
    """Two calls of 0.2 s in the first metal: the others take as long. Nothing is timed, nor loaded."""
    slow = factory("counting_emt", "slow", log=str(tmp_path / "log"), seconds=0.2)
    run_tiny(tiny_study(tiny_dataset, tmp_path / "o", slow, ids=["Al"]))
    made = evaluations(tmp_path / "log")
    quick, late = forecast(open_study(tiny_study(tiny_dataset, tmp_path / "o", emt(), slow)))
    assert (quick.measured, late.measured) == (0, 1)
    assert late.seconds is not None
    assert 2 * 2 * 0.2 <= late.seconds < 2 * 2 * 0.2 + 2.0
    assert evaluations(tmp_path / "log") == made


def test_hours_go_to_the_pools_that_take_a_potential(tiny_dataset: Path, tmp_path: Path) -> None:
    potentials = [factory("slow_emt", name, seconds=0.02) for name in ("mace", "both")]
    pools = {
        "cpu": {"workers_per_node": 2, "cores_per_worker": 3, "potentials": ["both"]},
        "gpu": {"accelerators_per_node": 1, "cores_per_worker": 8, "potentials": ["mace", "both"]},
    }
    study = open_study(tiny_study(tiny_dataset, tmp_path / "o", *potentials))
    cluster = ClusterSettings.model_validate({"pool": pools})
    mace, both = found = forecast(study)
    assert mace.seconds is not None
    assert both.seconds is not None
    cpu, gpu = by_pool(study, found, cluster, 1)
    assert (cpu.pool, cpu.workers, gpu.pool, gpu.workers) == ("cpu", 2, "gpu", 1)
    shared = 2 / 3 * both.seconds
    assert (cpu.seconds, cpu.accelerator_hours) == (pytest.approx(shared / 2), 0.0)
    assert cpu.core_hours == pytest.approx(3 * shared / 3600)
    rest = mace.seconds + both.seconds / 3
    assert gpu.seconds == pytest.approx(rest)
    assert (gpu.core_hours, gpu.accelerator_hours) == pytest.approx((8 * rest / 3600, rest / 3600))
    # most cells are there: no more workers than cells that are left
    few = [replace(one, cells=8000, settled=7999) for one in found]
    assert [one.workers for one in by_pool(study, few, cluster, 1)] == [1, 1]
    assert by_pool(study, few, None, 64)[0].workers == 2
    [here] = by_pool(study, found, None, 2)
    assert (here.pool, here.workers) == ("", 2)
    assert here.seconds == pytest.approx((mace.seconds + both.seconds) / 2)
