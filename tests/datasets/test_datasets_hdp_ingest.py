"""Ingesting the halide double perovskite database: once, in parallel, interrupted, and what it reports."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
from hdp_cases import (
    COMPOUNDS,
    RUN,
    cut_in_frame,
    edit,
    force_constants_of_40_atoms,
    make_truths,
    pack,
    rewrite,
    scale_force_constants,
    scale_forces,
    write_truths,
)
from hdp_standin import Truth, make_truth
from vasprun_writer import vasprun_text

from softmode import processes
from softmode.datasets import open_dataset
from softmode.datasets.base import MaterialEntry
from softmode.datasets.hdf5 import read_decimals, write_decimals
from softmode.datasets.ingest import ingest, problem_counts
from softmode.datasets.reading import ByteStream
from softmode.datasets.runs import RunRecorder
from softmode.datasets.store import MANIFEST, MaterialReport, material_path, read_manifest
from softmode.datasets.trajectory_frames import FrameCollector
from softmode.datasets.vasprun import read_vasprun
from softmode.errors import InputDataError, SettingsError, StorageError, WorkerDiedError

UIDS = tuple(f"dpv_{compound.formula}" for compound in COMPOUNDS)
UID = "dpv_Cs2AgBiBr6"


@pytest.fixture(scope="module")
def truths() -> dict[str, Truth]:
    return make_truths()


@pytest.fixture
def tree(truths: dict[str, Truth], tmp_path: Path) -> Path:
    return write_truths(tmp_path / "tree", truths)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "store"


def read_now(tree: Path, store: Path, **options: object) -> list[str]:
    """Compounds that a call reads, rather than finds in the store."""
    read: list[str] = []
    ingest("hdp", tree, store, advance=lambda report: read.append(report.name), **options)  # type: ignore[arg-type]
    return sorted(read)


def contents(store: Path) -> dict[str, str]:
    """Digests of everything in a store."""
    digests = {}
    for entry in open_dataset("hdp", store, skip=0).entries():
        digests[entry.name] = entry.load().reference_digest + entry.load_trajectory().digest
    return digests


def test_each_file_is_read_once(tree: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []

    def counting(stream: ByteStream, collector: FrameCollector) -> None:
        parsed.append(stream.path.name)
        read_vasprun(stream, collector)

    monkeypatch.setattr("softmode.datasets.hdp.read_vasprun", counting)
    assert read_now(tree, store) == sorted(UIDS)
    assert sorted(parsed) == sorted(["vasprun_prod_1.xml", "vasprun_prod_2.xml"] * 3)
    assert read_now(tree, store) == []
    contents(store)
    assert len(parsed) == 6


def test_what_changed_is_read_again(tree: Path, store: Path) -> None:
    ingest("hdp", tree, store)
    before = contents(store)
    cut_in_frame(tree / "bromides" / UID / RUN.format(1), 4)
    assert read_now(tree, store) == [UID]
    after = contents(store)
    assert {uid for uid in before if before[uid] != after[uid]} == {UID}


@pytest.mark.parametrize("options", [{"skip": 0}, {}])
def test_the_manifest_knows_the_digests_that_reading_gives(
    tmp_path: Path, store: Path, options: dict[str, int]
) -> None:
    truth = make_truth(COMPOUNDS[0], (110, 103))
    ingest("hdp", write_truths(tmp_path / "tree", {truth.uid: truth}), store)
    for entry in open_dataset("hdp", store, **options).entries():
        assert entry.trajectory_digest == entry.load_trajectory().digest != ""


def test_digests_of_other_frames_are_not_known(tree: Path, store: Path) -> None:
    ingest("hdp", tree, store)
    for options in ({}, {"skip": 1}, {"skip": 0, "every": 2}):
        assert {entry.trajectory_digest for entry in open_dataset("hdp", store, **options).entries()} == {""}


def change_a_force(store: Path) -> None:
    """As another program would: the file tells nothing of it."""
    with h5py.File(material_path(store, UID), "r+") as file:
        path = next(
            name
            for name in _datasets(file["runs"])
            if "force" in name and file["runs"][name].dtype.kind in "iu"
        )
        values = file["runs"][path][...]
        values.flat[-1] += 1000
        file["runs"][path][...] = values


def _datasets(group: h5py.Group) -> list[str]:
    found: list[str] = []
    group.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return found


def test_a_changed_file_changes_the_digest_though_the_manifest_is_old(tree: Path, store: Path) -> None:
    def entry() -> MaterialEntry:
        return next(each for each in open_dataset("hdp", store, skip=0).entries() if each.name == UID)

    ingest("hdp", tree, store)
    before = entry()
    change_a_force(store)
    after = entry()
    assert after.trajectory_digest == ""
    assert after.fingerprint != before.fingerprint
    assert after.load_trajectory().digest != before.trajectory_digest
    assert read_now(tree, store) == [UID]
    assert entry().trajectory_digest == before.trajectory_digest == entry().load_trajectory().digest


def test_what_could_not_be_read_is_tried_again(tree: Path, store: Path) -> None:
    path = tree / "bromides" / UID / "CONTCAR"
    held = path.read_text()
    path.unlink()
    for _ in range(2):
        assert UID in read_now(tree, store)
    path.write_text(held)
    assert read_now(tree, store) == [UID]
    assert read_now(tree, store) == []


def test_processes_give_the_same_as_one(tree: Path, store: Path, tmp_path: Path) -> None:
    assert read_now(tree, store, workers=2) == sorted(UIDS)
    ingest("hdp", tree, tmp_path / "alone")
    assert contents(store) == contents(tmp_path / "alone")
    names = {path.name for path in (store / "materials").iterdir()}
    assert names == {f"{uid}.h5" for uid in UIDS}


def test_interrupted_it_goes_on(tree: Path, store: Path) -> None:
    def interrupt(report: MaterialReport) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest("hdp", tree, store, advance=interrupt)
    with pytest.raises(InputDataError, match="ingesting was interrupted"):
        open_dataset("hdp", store).entries()
    assert len(read_now(tree, store)) == 2
    assert contents(store).keys() == set(UIDS)


def test_a_killed_process_is_named(tree: Path, store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(processes.ProcessPoolExecutor):
        def submit(self, *args: object, **kwargs: object) -> object:  # type: ignore[override]
            return super().submit(os._exit, 9)

    monkeypatch.setattr(processes, "ProcessPoolExecutor", Broken)
    with pytest.raises(WorkerDiedError, match="died"):
        ingest("hdp", tree, store, workers=2)


def test_a_full_disk_is_named_and_leaves_nothing_half_written(
    tree: Path, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest("hdp", tree, store)
    shutil.rmtree(store / "materials")
    (store / MANIFEST).unlink()

    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(StorageError, match="the disk is full"):
            ingest("hdp", tree, store)
    assert list(store.rglob("*.tmp")) == []
    assert len(read_now(tree, store)) == 3


def test_a_damaged_file_of_the_store(tree: Path, store: Path) -> None:
    ingest("hdp", tree, store)
    path = material_path(store, UID)
    whole = path.read_bytes()
    with h5py.File(path) as file:
        at = file["runs/0/forces"].id.get_chunk_info(0).byte_offset
        middle = file["material/reference/values"].id.get_chunk_info(0).byte_offset
    for spoiled, part in ((at + 30, "trajectory"), (middle + 30, "material")):
        path.write_bytes(whole[:spoiled] + bytes([whole[spoiled] ^ 1]) + whole[spoiled + 1 :])
        entry = next(e for e in open_dataset("hdp", store, skip=0).entries() if e.name == UID)
        with pytest.raises(InputDataError, match="the file of the store is damaged"):
            _ = entry.load() if part == "material" else entry.load_trajectory()
    path.write_bytes(whole[:5000])
    with pytest.raises(InputDataError, match="the file of the store is damaged"):
        entry.load()
    assert read_now(tree, store) == [UID]
    (store / MANIFEST).write_text("{")
    with pytest.raises(InputDataError, match="damaged"):
        open_dataset("hdp", store).entries()
    (store / MANIFEST).write_text('{"format": 99, "kind": "hdp", "made_from": "x", "materials": []}')
    with pytest.raises(InputDataError, match="format 99"):
        open_dataset("hdp", store).entries()
    ingest("hdp", tree, store)
    assert contents(store).keys() == set(UIDS)


def test_labels_are_taken_anew(tree: Path, store: Path) -> None:
    ingest("hdp", tree, store)
    (tree / "double_halide_pv.db").unlink()
    assert read_now(tree, store) == []
    entry = open_dataset("hdp", store).entries()[0]
    assert "there are no labels" in entry.load().tags["problems"]


def test_places_that_make_no_sense(tree: Path, store: Path, tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="no such file or folder"):
        ingest("hdp", tmp_path / "absent", store)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputDataError, match="no compound of the database is in it"):
        ingest("hdp", tmp_path / "empty", store)
    with pytest.raises(SettingsError, match="it holds materials of a dataset hdp"):
        ingest("hdp", tree, tree)
    ingest("hdp", tree, store)
    with pytest.raises(SettingsError, match="it is a store already"):
        ingest("hdp", store, tmp_path / "other")
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(SettingsError, match="it is a file"):
        ingest("hdp", tree, tmp_path / "file")


def test_a_store_is_smaller_than_its_tree(tree: Path, store: Path) -> None:
    ingest("hdp", tree, store)
    with h5py.File(material_path(store, UID)) as file:
        kept = sum(
            file[f"runs/{run}/{name}"].id.get_storage_size()
            for run in "01"
            for name in ("positions", "forces")
        )
    assert kept < 0.25 * sum(path.stat().st_size for path in (tree / "bromides" / UID / "MD").iterdir())


# What the manifest says is found; everything else is untouched.

Damage = Callable[[Path, Truth], object]


@pytest.mark.parametrize(
    ("damage", "counted"),
    [
        (lambda f, t: (f / RUN.format(2)).unlink(), {"a run is missing": 1}),
        (lambda f, t: shutil.rmtree(f / "MD"), {"no MD run": 1}),
        (lambda f, t: cut_in_frame(f / RUN.format(1), 3), {"a run is cut short": 1}),
        (lambda f, t: (f / "force_constants.hdf5").unlink(), {"material cannot be read": 1}),
        (
            lambda f, t: force_constants_of_40_atoms(f),
            {"material cannot be read": 1, "trajectory cannot be read": 1},
        ),
        (
            lambda f, t: scale_force_constants(f, 1 / 48.587),
            {"material cannot be read": 1, "trajectory cannot be read": 1},
        ),
        (lambda f, t: scale_forces(f, t, 1 / 25.711), {"trajectory does not go with the crystal": 1}),
        (lambda f, t: rewrite(f, t, np.arange(80)[::-1]), {}),
        (
            lambda f, t: edit(f / RUN.format(2), lambda text: text.replace("<varray name=", "<varray <=", 9)),
            {"trajectory cannot be read": 1},
        ),
        (
            lambda f, t: pack(f, ".tar").write_bytes(b"no archive"),
            {"material cannot be read": 1, "trajectory cannot be read": 1},
        ),
        (
            lambda f, t: shutil.copytree(f, f.parents[1] / "iodides" / f.name),
            {"material cannot be read": 1, "trajectory cannot be read": 1},
        ),
    ],
)
def test_problems_are_counted(
    tree: Path, store: Path, truths: dict[str, Truth], damage: Damage, counted: dict[str, int]
) -> None:
    damage(tree / "bromides" / UID, truths[UID])
    manifest = ingest("hdp", tree, store)
    assert read_manifest(store) == manifest
    counts = problem_counts(manifest)
    assert counts.pop("a run has no more than 100 frames") in (2, 3)
    assert counts == counted
    assert {report.name for report in manifest.materials} == set(UIDS)
    others = [report for report in manifest.materials if report.name != UID]
    assert not any(report.failed or report.missing for report in others)


def test_findings_name_what_is_wrong_with_a_trajectory(
    tree: Path, store: Path, truths: dict[str, Truth]
) -> None:
    scale_forces(tree / "bromides" / UID, truths[UID], 1 / 25.711)
    reports = {report.name: report for report in ingest("hdp", tree, store).materials}
    assert reports[UIDS[0]].findings == ()
    [finding] = reports[UID].findings
    assert "usual in Ry/bohr" in finding
    assert [(run.file, run.frames) for run in reports[UID].runs] == [
        ("vasprun_prod_1.xml", 6),
        ("vasprun_prod_2.xml", 5),
    ]


# Numbers survive bit by bit.


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.round(np.random.default_rng(1).normal(size=(7, 4, 3)) * 9, 8), "i"),
        (np.round(np.random.default_rng(2).normal(size=(3, 4, 3)) * 900, 8), "i"),
        (np.full((3, 2, 3), -0.0), "i"),
        (np.random.default_rng(3).normal(size=(5, 4, 3)), "f"),
        (np.full((2, 2, 3), np.nan), "f"),
        (np.full((2, 2, 3), 1e12), "f"),
        (np.zeros((0, 0, 3)), "f"),
    ],
    ids=["small", "large", "negative zero", "more decimals", "nan", "huge", "nothing"],
)
def test_numbers_are_kept_exactly(tmp_path: Path, values: np.ndarray, kind: str) -> None:
    with h5py.File(tmp_path / "x.h5", "w") as file:
        write_decimals(file, "values", values)
        assert file["values"].dtype.kind == kind
        np.testing.assert_array_equal(read_decimals(file["values"]).view(np.int64), values.view(np.int64))


def test_a_replayed_run_is_what_the_reader_gives(tmp_path: Path) -> None:
    """A cell that breathes, frames without forces, several documents in one file."""
    rng = np.random.default_rng(4)
    scaled, forces = rng.random((5, 2, 3)), rng.normal(size=(5, 2, 3))
    lattices = np.eye(3) * 4.0 + 1e-5 * rng.normal(size=(5, 3, 3))
    text = vasprun_text(["Cs", "Cl"], lattices, scaled, forces, without_forces=(0,))
    path = tmp_path / "vasprun.xml"
    path.write_text(text + text[: text.index("<calculation>", 9000)])
    recorder = RunRecorder()
    read_vasprun(ByteStream(path), recorder)
    collectors = FrameCollector(1, 1), FrameCollector(1, 1)
    read_vasprun(ByteStream(path), collectors[0])
    for run in recorder.runs:
        run.replay(collectors[1])
    direct, replayed = (collector.trajectory("x") for collector in collectors)
    assert direct.digest == replayed.digest
    assert direct.notes == replayed.notes != ()
    with pytest.raises(InputDataError, match=r"frame 0 .*it has no forces"):
        recorder.runs[0].replay(FrameCollector())
