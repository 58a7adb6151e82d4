from __future__ import annotations

import errno
import os
import shutil
import subprocess
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_study import (
    FACTORIES,
    emt,
    factory,
    record_contents,
    record_times,
    run_tiny,
    tiny_study,
    write_metal,
)

from softmode.datasets.base import Selection
from softmode.datasets.catalog import open_dataset
from softmode.errors import SettingsError
from softmode.records import Failure, digest_of
from softmode.study import worker
from softmode.study.endings import store_failure
from softmode.study.folder import Study, open_study, reopen_study
from softmode.study.materials import remembered_materials, summarise_materials, take
from softmode.study.results import OK, PENDING, cell_table, failures
from softmode.study.run import RunReport, load_executor, run_study

SCALE = 0.9


def records_of(study: Study, measurement: str) -> dict[str, int]:
    """Times of the records of one measurement."""
    times = record_times(study)
    wanted = {digest_of(cell.inputs[measurement]) for cell in study.cases}
    return {key: time for key, time in times.items() if key in wanted}


@pytest.fixture(scope="module")
def finished(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Study, RunReport]:
    """EMT and EMT with forces times 0.9, on two metals; not to be changed."""
    output = tmp_path_factory.mktemp("finished") / "o"
    return again(tiny_dataset, output)


@pytest.fixture
def copied(finished: tuple[Study, RunReport], tmp_path: Path) -> Path:
    """A copy of the finished study that a test may change."""
    return Path(shutil.copytree(finished[0].folder, tmp_path / "copy"))


def again(dataset: Path, folder: Path, **more: Any) -> tuple[Study, RunReport]:
    potentials = (emt(), factory("scaled_emt", "soft", factor=SCALE))
    return run_tiny(tiny_study(dataset, folder, *potentials, ids=["Al", "Cu"], **more))


def test_a_potential_equal_to_the_reference_has_no_error(finished: tuple[Study, RunReport]) -> None:
    rows = cell_table(finished[0]).query("potential == 'emt'")
    assert list(rows["state"]) == [OK] * 2
    for where in ("path", "mesh"):
        # FORCE_SETS keeps ten decimals of forces that 0.01 Å displacements made
        assert (rows[f"{where}_rmse_w2_THz2"] < 1e-5).all()
        np.testing.assert_allclose(rows[f"{where}_softening"].astype(float), 1.0, atol=1e-6)
        assert rows[f"{where}_stability_agrees"].all()


def test_scaled_forces_scale_squared_frequencies(finished: tuple[Study, RunReport]) -> None:
    study = finished[0]
    rows = cell_table(study).query("potential == 'soft'")
    np.testing.assert_allclose(rows["path_softening"].astype(float), SCALE, atol=1e-6)
    np.testing.assert_allclose(rows["mesh_softening"].astype(float), SCALE, atol=1e-6)
    for cell in study.cases:
        if cell.label != "soft":
            continue
        record = study.records(cell, with_arrays=True)["harmonic"]
        reference, model = record.arrays["frequencies_reference"], record.arrays["frequencies_model"]
        assert reference.max() > 3.0
        np.testing.assert_allclose(model, np.sqrt(SCALE) * reference, atol=1e-4)
        error = np.sqrt(np.mean(((1.0 - SCALE) * np.sign(reference) * reference**2) ** 2))
        assert record.values["path_rmse_w2_THz2"] == pytest.approx(error, rel=1e-5)
        mean = record.values["path_mean_frequency_model_THz"]
        assert mean == pytest.approx(np.sqrt(SCALE) * reference.mean(), rel=1e-5)


def test_the_report_of_a_run_counts(finished: tuple[Study, RunReport]) -> None:
    assert finished[1] == RunReport(total=4, found=0, computed=4, failed=0, unstored=[])


def test_running_again_computes_nothing(tiny_dataset: Path, tmp_path: Path) -> None:
    log = tmp_path / "calls"
    settings = tiny_study(tiny_dataset, tmp_path / "o", factory("counting_emt", log=str(log)))
    study, first = run_tiny(settings)
    calls, times = log.read_text(), record_times(study)
    assert first.computed == 3
    assert len(calls.splitlines()) == 6  # the perfect and the displaced supercell of each metal
    heard: list[Any] = []
    second = run_study(open_study(settings), lambda cell, outcome: heard.append(cell))
    assert second == RunReport(total=3, found=3)
    assert heard == []
    assert log.read_text() == calls
    assert record_times(study) == times


@pytest.mark.parametrize("protocol", [{"mesh_length": 12.0}, {"symmetrise": False}])
def test_a_changed_comparison_keeps_the_forces(
    tiny_dataset: Path, copied: Path, protocol: dict[str, Any]
) -> None:
    before = again(tiny_dataset, copied)[0]
    forces, old = records_of(before, "displaced_forces"), records_of(before, "harmonic")
    study, report = again(tiny_dataset, copied, protocol=protocol)
    assert report.computed == 4
    assert report.failed == 0
    assert records_of(study, "displaced_forces") == forces
    assert not records_of(study, "harmonic").keys() & old.keys()
    assert len(record_times(study)) == 20  # the old comparisons are still there: changing back costs nothing
    assert again(tiny_dataset, copied)[1].found == 4


def test_a_changed_reference_keeps_the_forces(own_dataset: Path, copied: Path) -> None:
    before = again(own_dataset, copied)[0]
    times = record_times(before)
    shutil.rmtree(own_dataset / "Cu")
    write_metal(own_dataset / "Cu", "Cu", force=2.0)
    study, report = again(own_dataset, copied)
    assert (report.found, report.computed) == (2, 2)
    assert {key: record_times(study)[key] for key in times} == times
    rows = cell_table(study).set_index(["material", "potential"])
    assert rows.loc[("Cu", "emt"), "path_softening"] == pytest.approx(0.5, abs=1e-6)
    assert rows.loc[("Al", "emt"), "path_softening"] == pytest.approx(1.0, abs=1e-6)


def test_a_new_label_computes_nothing(tiny_dataset: Path, copied: Path) -> None:
    renamed = tiny_study(
        tiny_dataset,
        copied,
        emt("renamed"),
        factory("scaled_emt", "softer", factor=SCALE),
        name="x",
        seed=3,
        ids=["Al", "Cu"],
    )
    study, report = run_tiny(renamed)
    assert report.found == 4
    assert set(cell_table(study)["potential"]) == {"renamed", "softer"}


def test_a_potential_or_material_added_later(tiny_dataset: Path, tmp_path: Path) -> None:
    study, _ = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", emt(), ids=["Cu"]))
    times = record_times(study)
    more = tiny_study(tiny_dataset, tmp_path / "o", factory("slow_emt", seconds=0.0), emt(), ids=["Al", "Cu"])
    study, report = run_tiny(more)
    assert (report.total, report.found, report.computed) == (4, 1, 3)
    assert {key: record_times(study)[key] for key in times} == times


@pytest.mark.parametrize("damage", ["truncated", "flipped"])
def test_a_damaged_record_is_computed_anew(
    finished: tuple[Study, RunReport], tiny_dataset: Path, copied: Path, damage: str
) -> None:
    times = record_times(reopen_study(copied))
    paths = sorted((copied / "records").glob("*/*.h5"))
    for path in paths[:2]:
        content = bytearray(path.read_bytes())
        if damage == "truncated":
            del content[len(content) // 2 :]
        else:
            content[len(content) // 2] ^= 4
        path.write_bytes(content)
    study, report = again(tiny_dataset, copied)
    assert 1 <= report.computed <= 2
    assert report.failed == 0
    assert record_contents(study) == record_contents(finished[0])
    untouched = [path.stem for path in paths[2:]]
    assert [record_times(study)[key] for key in untouched] == [times[key] for key in untouched]


def test_leftovers_of_a_killed_writer_are_removed(tiny_dataset: Path, copied: Path) -> None:
    path = next((copied / "records").glob("*/*.h5"))
    leftover = path.parent / f".{path.name}.abcd.tmp"
    leftover.write_bytes(b"half a record")
    os.utime(leftover, (0, 0))
    again(tiny_dataset, copied)
    assert not leftover.exists()


def test_threads_give_the_same_records(
    finished: tuple[Study, RunReport], tiny_dataset: Path, tmp_path: Path
) -> None:
    study, report = again(tiny_dataset, tmp_path / "o", run={"executor": f"{FACTORIES}:four_threads"})
    assert report.failed == 0
    assert record_contents(study) == record_contents(finished[0])


def test_threads_do_not_share_a_calculator(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A calculator keeps the structure it was last given, so sharing it mixes materials up."""
    loaded: list[int] = []
    load = worker.ResolvedPotential.load

    def counted(resolved: Any) -> Any:
        loaded.append(1)
        return load(resolved)

    monkeypatch.setattr(worker.ResolvedPotential, "load", counted)
    settings = tiny_study(
        tiny_dataset,
        tmp_path / "o",
        factory("slow_emt", seconds=0.3),
        ids=["Al", "Cu"],
        run={"executor": f"{FACTORIES}:four_threads"},
    )
    run_tiny(settings)
    assert len(loaded) == 2
    loaded.clear()
    run_tiny(tiny_study(tiny_dataset, tmp_path / "p", factory("slow_emt", seconds=0.0), ids=["Al", "Cu"]))
    assert len(loaded) == 1


@pytest.mark.parametrize("workers", [1, 2])
def test_processes_give_the_same_records(
    finished: tuple[Study, RunReport],
    tiny_dataset: Path,
    tmp_path: Path,
    importable_helpers: None,
    workers: int,
) -> None:
    threads_before = os.environ.get("OMP_NUM_THREADS")
    study, report = again(tiny_dataset, tmp_path / "o", run={"workers": workers})
    assert report == RunReport(total=4, found=0, computed=4, failed=0, unstored=[])
    assert record_contents(study) == record_contents(finished[0])
    assert os.environ.get("OMP_NUM_THREADS") == threads_before


@pytest.mark.parametrize(
    "specification", ["nothing", ":x", "no.such.module:x", f"{FACTORIES}:nobody", f"{FACTORIES}:no_executor"]
)
def test_a_bad_executor_is_refused(specification: str) -> None:
    with pytest.raises(SettingsError, match=r"run\.executor.*(module:factory|concurrent\.futures\.Executor)"):
        load_executor(specification)


def test_a_task_that_breaks_outside_its_measurements_is_told(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(task: Any) -> None:
        raise OSError(errno.EIO, "the network is gone")

    monkeypatch.setattr("softmode.study.run.run_case", broken)
    study, report = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", ids=["Cu"]))
    assert report.failed == 1
    assert report.unstored == [("Cu", "emt", "OSError: [Errno 5] the network is gone")]
    assert list(cell_table(study)["state"]) == [PENDING]


def test_the_failure_of_a_later_measurement_keeps_the_earlier_record(
    tiny_dataset: Path, copied: Path
) -> None:
    study = again(tiny_dataset, copied)[0]
    cell = study.cases[0]
    study.store.path(digest_of(cell.inputs["harmonic"])).unlink()
    store_failure(study, cell, Failure("WorkerDied", "out of memory", transient=True))
    records = study.records(cell)
    assert records["displaced_forces"].ok
    assert records["harmonic"].failure == Failure("WorkerDied", "out of memory", transient=True)
    times = records_of(study, "displaced_forces")
    study, report = again(tiny_dataset, copied)
    assert (report.found, report.computed, report.failed) == (3, 1, 0)
    assert records_of(study, "displaced_forces") == times


def full_for(key_start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the disk be full for records whose key starts so."""
    fsync = os.fsync

    def full(handle: int) -> None:
        if Path(f"/proc/self/fd/{handle}").readlink().name.startswith(f".{key_start}"):
            raise OSError(errno.ENOSPC, "No space left on device")
        fsync(handle)

    monkeypatch.setattr(os, "fsync", full)


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs /proc")
@pytest.mark.parametrize("measurement", ["displaced_forces", "harmonic"])
def test_a_full_disk_stops_only_the_cell(
    finished: tuple[Study, RunReport],
    tiny_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    measurement: str,
) -> None:
    victim = finished[0].cases[1]
    full_for(digest_of(victim.inputs[measurement]), monkeypatch)
    study, report = again(tiny_dataset, tmp_path / "o")
    assert (report.computed, report.failed) == (4, 1)
    [(material, potential, reason)] = report.unstored
    assert (material, potential) == (victim.material.name, victim.label)
    assert "disk is full" in reason
    assert str(tmp_path / "o" / "records") in reason
    assert "make room" in reason
    assert list(cell_table(study)["state"]) == [OK, PENDING, OK, OK]
    assert failures(cell_table(study)).empty
    monkeypatch.undo()
    study, report = again(tiny_dataset, tmp_path / "o")
    assert (report.found, report.computed, report.failed) == (3, 1, 0)
    assert record_contents(study) == record_contents(finished[0])


def test_a_really_full_disk_and_room_made_again(tiny_dataset: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(disk)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a file system is not permitted here")
    try:
        settings = tiny_study(tiny_dataset, disk / "o", emt(), ids=["Al", "Cu"])
        open_study(settings)
        filler = disk / "filler"
        with filler.open("wb", buffering=0) as file:
            room = os.statvfs(disk)
            file.write(b"0" * max(0, room.f_bavail * room.f_bsize - 16_000))
        study, report = run_tiny(settings)
        assert 0 < len(report.unstored) <= 2
        assert report.failed == len(report.unstored)
        assert all("disk is full" in reason and str(disk) in reason for _, _, reason in report.unstored)
        states = list(cell_table(study)["state"])
        assert states.count(PENDING) == len(report.unstored)
        assert states.count(OK) == 2 - len(report.unstored)
        filler.unlink()
        study, second = run_tiny(settings)
        assert second.computed == len(report.unstored)
        assert list(cell_table(study)["state"]) == [OK] * 2
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def test_an_executor_that_is_not_of_the_standard_library(
    tiny_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anything with the interface of an Executor will do, one that works at once included."""
    from concurrent.futures import Executor

    class AtOnce(Executor):
        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            future: Future[Any] = Future()
            future.set_result(function(*args, **kwargs))
            return future

    monkeypatch.setattr(f"{FACTORIES}.one_thread", AtOnce)
    study, report = run_tiny(tiny_study(tiny_dataset, tmp_path / "o", ids=["Cu"]))
    assert report.computed == 1
    assert list(cell_table(study)["state"]) == [OK]


@pytest.mark.parametrize(
    ("select", "failing", "taken", "read"),
    [
        ({"limit": 1}, "", ["Al"], ["Al"]),
        ({"limit": 2}, "", ["Al", "Au"], ["Al", "Au"]),
        ({"limit": 1}, "Al", ["Al", "Au"], ["Al", "Au", "Cu"]),
        ({"limit": 1, "elements": ["Au"]}, "", ["Au"], ["Al", "Au", "Cu"]),
    ],
)
def test_no_more_materials_are_read_than_a_limit_takes(
    own_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    select: dict[str, Any],
    failing: str,
    taken: list[str],
    read: list[str],
) -> None:
    """The first that match; one that cannot be read does not count: others are read in its place."""
    from softmode.study import materials

    if failing:
        (own_dataset / failing / "POSCAR").write_text("nothing")
    came: list[str] = []
    summarise = materials._summarise

    def noted(entry: Any, selection: Any) -> Any:
        came.append(entry.name)
        return summarise(entry, selection)

    monkeypatch.setattr(materials, "_summarise", noted)
    entries = open_dataset("phonopy", own_dataset).entries()
    index, selection = tmp_path / "index.json", Selection(**select)
    found = summarise_materials(entries, selection, index)
    assert [item.name for item in found] == taken
    assert came == read
    assert [item.name for item in take(remembered_materials(index), selection)] == taken


def test_materials_are_read_once(own_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from softmode.study import materials

    settings = tiny_study(own_dataset, tmp_path / "o")
    open_study(settings)
    read: list[str] = []
    summarise = materials._summarise

    def counted(entry: Any, selection: Any) -> Any:
        read.append(entry.name)
        return summarise(entry, selection)

    monkeypatch.setattr(materials, "_summarise", counted)
    open_study(settings)
    assert read == []
    os.utime(own_dataset / "Cu" / "POSCAR", (1, 1))
    told: list[tuple[int, int]] = []
    open_study(settings, advance=lambda done, total: told.append((done, total)))
    assert read == ["Cu"]
    assert told == [(2, 3), (3, 3)]
