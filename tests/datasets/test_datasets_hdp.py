"""The halide double perovskite database: what is read from a tree, or from the store it was ingested into."""

from __future__ import annotations

import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase.db import connect
from hdp_cases import (
    COMPOUNDS,
    RUN,
    cut_in_frame,
    edit,
    force_constants_of_40_atoms,
    make_truths,
    other_supercell,
    pack,
    rewrite,
    scale_force_constants,
    scale_forces,
    write_truths,
)
from hdp_standin import Truth, make_truth, write_database

from softmode.crystal import ForceConstants, Material, Trajectory
from softmode.datasets import open_dataset, open_reference, supercell_of
from softmode.datasets.base import MaterialEntry
from softmode.datasets.ingest import ingest
from softmode.errors import InputDataError, SettingsError

UID = "dpv_Cs2AgBiBr6"
SKIP = 2

#: Reads a tree, directly or through a store: the entry of a compound.
Entry = Callable[..., MaterialEntry]


@pytest.fixture(scope="module")
def truths() -> dict[str, Truth]:
    return make_truths()


@pytest.fixture(scope="module")
def whole_tree(truths: dict[str, Truth], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_truths(tmp_path_factory.mktemp("hdp") / "tree", truths)


@pytest.fixture
def tree(whole_tree: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(whole_tree, tmp_path / "tree"))


@pytest.fixture
def folder(tree: Path) -> Path:
    return tree / "bromides" / UID


@pytest.fixture(scope="module")
def whole_store(whole_tree: Path) -> Path:
    ingest("hdp", whole_tree, whole_tree.with_name("store"))
    return whole_tree.with_name("store")


@pytest.fixture(params=["tree", "store"])
def entry(request: pytest.FixtureRequest, tree: Path, whole_store: Path, tmp_path: Path) -> Entry:
    if request.param == "store":
        shutil.copytree(whole_store, tmp_path / "store")  # what the test leaves alone is not read again

    def read(uid: str = UID, **options: object) -> MaterialEntry:
        path = tree
        if request.param == "store":
            path = tmp_path / "store"
            ingest("hdp", tree, path)
        entries = open_dataset("hdp", path, **{"skip": SKIP, **options}).entries()
        return next(entry for entry in entries if entry.name == uid)

    return read


def expected_positions(truth: Truth, skip: int = SKIP) -> np.ndarray:
    return np.concatenate([scaled[skip:] for scaled in truth.scaled]) @ truth.supercell.cell.array


def assert_same_configurations(trajectory: Trajectory, truth: Truth, skip: int = SKIP) -> None:
    difference = (trajectory.positions - expected_positions(truth, skip)) @ np.linalg.inv(trajectory.lattice)
    np.testing.assert_allclose(difference - np.rint(difference), 0.0, atol=1e-9)
    np.testing.assert_array_equal(trajectory.forces, np.concatenate([f[skip:] for f in truth.forces]))


@pytest.mark.parametrize("compound", COMPOUNDS, ids=lambda compound: compound.formula)
def test_a_compound(entry: Entry, truths: dict[str, Truth], compound: object) -> None:
    uid = f"dpv_{compound.formula}"  # type: ignore[attr-defined]
    truth = truths[uid]
    found = entry(uid)
    material = found.load()
    assert material.name == uid
    assert material.unitcell.n_atoms == 10
    np.testing.assert_array_equal(material.supercell_matrix, 2 * np.eye(3, dtype=int))
    assert isinstance(material.reference, ForceConstants)
    np.testing.assert_array_equal(material.reference.values, truth.force_constants)
    assert supercell_of(material).symbols == tuple(truth.supercell.get_chemical_symbols())
    assert material.tags["halide"] == compound.x  # type: ignore[attr-defined]
    for name, value in truth.labels.items():
        assert float(material.tags[name]) == value
    assert "problems" not in material.tags
    trajectory = found.load_trajectory()
    assert trajectory.run_lengths == (4, 3)
    assert trajectory.notes == ()
    assert_same_configurations(trajectory, truth)


def test_tree_and_store_give_the_same_bits(tree: Path, tmp_path: Path) -> None:
    cut_in_frame(tree / "bromides" / UID / RUN.format(1), 4)
    (tree / "fluorides" / "dpv_Cs2NaAlF6" / RUN.format(2)).unlink()
    ingest("hdp", tree, tmp_path / "store")
    for options in ({"skip": 0}, {"skip": 2, "every": 2}):
        both = [open_dataset("hdp", path, **options).entries() for path in (tree, tmp_path / "store")]
        for raw, stored in zip(*both, strict=True):
            assert raw.name == stored.name
            ours, theirs = stored.load(), raw.load()
            assert (ours.structure_digest, ours.reference_digest) == (
                theirs.structure_digest,
                theirs.reference_digest,
            )
            assert (dict(ours.tags), ours.formula) == (dict(theirs.tags), theirs.formula)
            frames, others = stored.load_trajectory(), raw.load_trajectory()
            assert frames.digest == others.digest
            assert (frames.notes, frames.source) == (others.notes, others.source)


def test_the_first_hundred_frames_are_equilibration(tree: Path) -> None:
    truth = make_truth(COMPOUNDS[1], (103, 101))
    rewrite(tree / "bromides" / UID, truth)
    [found] = [e for e in open_dataset("hdp", tree).entries() if e.name == UID]
    trajectory = found.load_trajectory()
    assert trajectory.run_lengths == (3, 1)
    assert_same_configurations(trajectory, truth, 100)


def test_skip_and_every(entry: Entry, truths: dict[str, Truth]) -> None:
    trajectory = entry(skip=1, every=2).load_trajectory()
    assert trajectory.run_lengths == (3, 2)
    np.testing.assert_array_equal(trajectory.forces[3], truths[UID].forces[1][1])
    with pytest.raises(InputDataError, match=r"skipping 6 frames leaves none of its 6.*leaves none of its 5"):
        entry(skip=6).load_trajectory()


def test_entries_are_cheap_and_travel(entry: Entry) -> None:
    found = pickle.loads(pickle.dumps(entry()))
    assert found.load().name == UID
    assert found.fingerprint == entry().fingerprint
    assert found.fingerprint != entry(skip=1).fingerprint


def test_fingerprints_follow_the_files(tree: Path, folder: Path, truths: dict[str, Truth]) -> None:
    def fingerprints() -> dict[str, str]:
        return {e.name: e.fingerprint for e in open_dataset("hdp", tree).entries()}

    before = fingerprints()
    assert fingerprints() == before
    cut_in_frame(folder / RUN.format(2), 1)
    after = fingerprints()
    assert {uid for uid in before if after[uid] != before[uid]} == {UID}
    rows = [(uid, truth.compound.primitive, {"formation_energy": -1.0}) for uid, truth in truths.items()]
    write_database(tree / "double_halide_pv.db", rows)
    assert all(fingerprints()[uid] != after[uid] for uid in after)


def test_parts_of_the_tree(tree: Path, folder: Path) -> None:
    [found] = open_dataset("hdp", folder.parent, skip=0).entries()
    assert (found.name, "sigma_300K_single" in found.load().tags) == (UID, True)
    assert [e.name for e in open_dataset("hdp", folder).entries()] == [UID]
    assert open_reference(folder).name == UID
    with pytest.raises(InputDataError, match="no compound of the database is in it"):
        open_dataset("hdp", folder / "MD").entries()


@pytest.mark.parametrize(
    ("suffix", "inside"),
    [
        (".tar", None),
        (".tar.gz", None),
        (".tgz", ""),
        (".tar.xz", f"hdp/bromides/{UID}"),
        (".tar.gz", "./" + UID),
    ],
)
def test_archives(
    entry: Entry, folder: Path, truths: dict[str, Truth], suffix: str, inside: str | None
) -> None:
    pack(folder, suffix, inside=inside)
    found = entry()
    np.testing.assert_array_equal(found.load().reference.values, truths[UID].force_constants)
    assert_same_configurations(found.load_trajectory(), truths[UID])
    assert not folder.exists()


def test_an_archive_without_runs(entry: Entry, folder: Path) -> None:
    shutil.rmtree(folder / "MD")
    pack(folder, ".tar.gz")
    assert entry().load().tags["problems"] == "it has no MD run"


def test_compressed_runs(entry: Entry, folder: Path, truths: dict[str, Truth]) -> None:
    import gzip

    path = folder / RUN.format(1)
    path.with_suffix(".xml.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    assert_same_configurations(entry().load_trajectory(), truths[UID])


@pytest.mark.parametrize("seed", [1, 2])
def test_atoms_of_the_runs_may_be_in_another_order(
    entry: Entry, folder: Path, truths: dict[str, Truth], seed: int
) -> None:
    order = np.random.default_rng(seed).permutation(80)
    rewrite(folder, truths[UID], order)
    text = (folder / RUN.format(1)).read_text()
    assert text.count("<rc><c>Cs</c>") == 16
    assert_same_configurations(entry().load_trajectory(), truths[UID])


# What is missing or damaged: (what is done to the folder, what is said; nothing where reading succeeds).


@pytest.mark.parametrize("number", [1, 2])
def test_a_run_that_is_missing_is_named(entry: Entry, folder: Path, number: int) -> None:
    (folder / RUN.format(number)).unlink()
    found = entry()
    assert found.load().tags["problems"] == f"{RUN.format(number)} is missing"
    trajectory = found.load_trajectory()
    assert trajectory.run_lengths == ((3,) if number == 1 else (4,))
    assert trajectory.notes == (f"{folder}: {RUN.format(number)} is missing",)


def test_a_gap_between_runs_is_named(entry: Entry, folder: Path) -> None:
    (folder / RUN.format(2)).rename(folder / RUN.format(3))
    assert entry().load().tags["problems"] == f"{RUN.format(2)} is missing"
    assert entry().load_trajectory().run_lengths == (4, 3)


def test_a_compound_without_runs_is_still_a_material(entry: Entry, folder: Path) -> None:
    shutil.rmtree(folder / "MD")
    found = entry()
    assert not found.has_trajectory
    assert found.load().tags["problems"] == "it has no MD run"


def test_a_run_cut_in_mid_frame_gives_its_whole_frames(
    entry: Entry, folder: Path, truths: dict[str, Truth]
) -> None:
    cut_in_frame(folder / RUN.format(1), 4)
    trajectory = entry().load_trajectory()
    assert trajectory.run_lengths == (2, 3)
    np.testing.assert_array_equal(trajectory.forces[:2], truths[UID].forces[0][2:4])
    [note] = trajectory.notes
    assert "vasprun_prod_1.xml: cut short in frame 4 (counted from 0" in note


def test_a_run_without_a_whole_frame_is_named_and_the_other_used(entry: Entry, folder: Path) -> None:
    cut_in_frame(folder / RUN.format(1), 0)
    trajectory = entry().load_trajectory()
    assert trajectory.run_lengths == (3,)
    assert any("it holds no whole frame" in note for note in trajectory.notes)
    (folder / RUN.format(1)).write_bytes(b"")
    assert any("vasprun_prod_1.xml" in note for note in entry().load_trajectory().notes)


def damage_xml(folder: Path) -> None:
    edit(folder / RUN.format(2), lambda text: text.replace("<varray name=", "<varray <name=", 9))


def nan_force(folder: Path) -> None:
    def change(text: str) -> str:
        at = text.rindex('<varray name="forces"')
        return text[:at] + text[at:].replace("<v>", "<v>             NaN ", 1).replace(" NaN  ", " NaN ", 1)

    edit(folder / RUN.format(2), change)


def no_forces(folder: Path) -> None:
    edit(folder / RUN.format(2), lambda text: text.replace('name="forces"', 'name="farces"'))


def other_compound(folder: Path) -> None:
    shutil.copy(folder.parents[1] / "fluorides" / "dpv_Cs2NaAlF6" / RUN.format(1), folder / RUN.format(1))
    shutil.copy(folder.parents[1] / "fluorides" / "dpv_Cs2NaAlF6" / RUN.format(2), folder / RUN.format(2))


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (damage_xml, r"vasprun_prod_2.xml(,.*)?: this is not the XML of a vasprun.xml"),
        (no_forces, r"vasprun_prod_2.xml, frame 2 \(counted from 0\): it has no forces"),
        (other_compound, "MD: the trajectory holds F48 Na8 Al8 Cs16, but the supercell Br48 Ag8 Cs16 Bi8"),
        (nan_force, "vasprun_prod_2.xml"),
    ],
)
def test_a_damaged_trajectory_leaves_the_material(
    entry: Entry, folder: Path, damage: Callable[[Path], None], said: str
) -> None:
    damage(folder)
    found = entry()
    assert isinstance(found.load(), Material)
    with pytest.raises(InputDataError, match=said) as caught:
        found.load_trajectory()
    assert UID in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda f: (f / "force_constants.hdf5").unlink(), "force_constants.hdf5 is missing"),
        (lambda f: (f / "CONTCAR").unlink(), "CONTCAR is missing"),
        (lambda f: (f / "SPOSCAR").unlink(), "SPOSCAR is missing"),
        (force_constants_of_40_atoms, r"shape \(40, 40, 3, 3\), but the supercell has 80 atoms"),
        (
            lambda f: other_supercell(f, COMPOUNDS[1]),
            "SPOSCAR: the supercell is no multiple of the unit cell",
        ),
        (lambda f: edit(f / "SPOSCAR", lambda text: text[:3000]), "SPOSCAR: 80 atoms announced, .* given"),
        (
            lambda f: (f / "force_constants.hdf5").write_bytes(
                (f / "force_constants.hdf5").read_bytes()[:9000]
            ),
            "force_constants.hdf5: this is not a readable",
        ),
        (lambda f: scale_force_constants(f, np.nan), "force_constants.hdf5, .*not finite"),
        (
            lambda f: scale_force_constants(f, 1 / 48.587),
            r"force_constants.hdf5: .* usual in Ry/bohr² or Ha/bohr²",
        ),
        (lambda f: scale_force_constants(f, 48.587), "converted from Ry/bohr² twice"),
    ],
)
def test_a_material_that_cannot_be_read_is_an_entry_that_says_why(
    entry: Entry, folder: Path, damage: Callable[[Path], object], said: str
) -> None:
    damage(folder)
    found = entry()
    with pytest.raises(InputDataError, match=said) as caught:
        found.load()
    assert UID in str(caught.value)
    assert entry("dpv_Cs2NaAlF6").load().formula == "Cs2NaAlF6"


@pytest.mark.parametrize(
    ("factor", "said"), [(1 / 25.711, "it would be usual in Ry/bohr"), (1000.0, "it would be usual in meV/Å")]
)
def test_forces_in_another_unit(
    entry: Entry, folder: Path, truths: dict[str, Truth], factor: float, said: str
) -> None:
    scale_forces(folder, truths[UID], factor)
    with pytest.raises(InputDataError, match=said) as caught:
        entry().load_trajectory()
    assert f"{folder}/MD" in str(caught.value)


def test_frames_without_force_constants_are_kept(
    entry: Entry, folder: Path, truths: dict[str, Truth]
) -> None:
    (folder / "force_constants.hdf5").unlink()
    assert_same_configurations(entry().load_trajectory(), truths[UID])


def test_a_compound_that_is_there_twice(entry: Entry, tree: Path, folder: Path) -> None:
    shutil.copytree(folder, tree / "iodides" / UID)
    with pytest.raises(InputDataError, match=f"{UID}: it is there more than once: .*bromides.*iodides"):
        entry().load()
    shutil.rmtree(tree / "iodides" / UID)
    pack(folder, ".tar", remove=False)
    with pytest.raises(InputDataError, match="it is there more than once"):
        entry().load_trajectory()


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz"])
def test_an_archive_cut_short(entry: Entry, folder: Path, suffix: str) -> None:
    archive = pack(folder, suffix)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(InputDataError, match="the archive is truncated or damaged"):
        entry().load_trajectory()


def test_an_archive_of_another_compound(entry: Entry, folder: Path) -> None:
    pack(folder, ".tar.gz", inside="dpv_Cs2AgBiCl6")
    with pytest.raises(InputDataError, match=f"is named {UID} but holds dpv_Cs2AgBiCl6"):
        entry().load()


# The database of labels.


def rows_of(truths: dict[str, Truth]) -> list[tuple[str, object, dict[str, float]]]:
    return [(uid, truth.compound.primitive, dict(truth.labels)) for uid, truth in truths.items()]


def test_a_database_that_is_missing_damaged_or_empty(
    entry: Entry, tree: Path, truths: dict[str, Truth]
) -> None:
    database = tree / "double_halide_pv.db"
    database.unlink()
    assert entry().load().tags["problems"] == "double_halide_pv.db is missing: there are no labels"
    database.write_bytes(b"")
    assert "is no readable ASE database" in entry().load().tags["problems"]
    database.write_bytes(b"SQLite format 3\0" + bytes(200))
    assert "is no readable ASE database" in entry().load().tags["problems"]
    database.unlink()
    write_database(database, [])
    with connect(database) as empty:
        assert empty.count() == 0
    material = entry().load()
    assert "no" in material.tags["problems"]
    assert "sigma_300K_single" not in material.tags
    assert material.reference_digest == open_reference(tree / "bromides" / UID).reference_digest


def test_rows_of_one_uid(entry: Entry, tree: Path, truths: dict[str, Truth]) -> None:
    rows = rows_of(truths)
    rows += [(uid, atoms, dict(labels)) for uid, atoms, labels in rows]
    rows[-1][2]["formation_energy"] += 0.5
    rows[1][2].pop("formation_energy"), rows[4][2].pop("formation_energy")
    write_database(tree / "double_halide_pv.db", rows)  # type: ignore[arg-type]
    first, second, third = (entry(f"dpv_{c.formula}").load().tags for c in COMPOUNDS)
    assert first["problems"] == second["problems"] == "several equal rows of the database bear its uid"
    assert "sigma_300K_single" in first
    assert third["problems"] == "several rows of the database bear its uid and differ: none is used"
    assert "sigma_300K_single" not in third


def test_labels_that_are_absent_or_no_numbers(entry: Entry, tree: Path, truths: dict[str, Truth]) -> None:
    rows = rows_of(truths)
    del rows[0]
    rows[0][2]["sigma_300K_single"] = float("nan")
    write_database(tree / "double_halide_pv.db", rows)  # type: ignore[arg-type]
    assert entry("dpv_Cs2NaAlF6").load().tags["problems"] == "it has no row in the database"
    tags = entry().load().tags
    assert tags["problems"] == "its row of the database has no sigma_300K_single"
    assert float(tags["formation_energy"]) == truths[UID].labels["formation_energy"]


def test_a_database_elsewhere(tree: Path, tmp_path: Path) -> None:
    moved = (tree / "double_halide_pv.db").rename(tmp_path / "labels.db")
    [first, *_] = open_dataset("hdp", tree, database=str(moved)).entries()
    assert "problems" not in first.load().tags
    with pytest.raises(SettingsError, match="does not point to a file"):
        open_dataset("hdp", tree, database="absent.db")
    ingest("hdp", tree, tmp_path / "store", options={"database": moved})
    with pytest.raises(SettingsError, match="keeps the labels it was made with"):
        open_dataset("hdp", tmp_path / "store", database=str(moved))
    moved.unlink()
    [stored, *_] = open_dataset("hdp", tmp_path / "store").entries()
    assert dict(stored.load().tags) == dict(first.load().tags)
