"""The phonon database: every archive, packed and unpacked, and its atom order."""

from __future__ import annotations

import io
import pickle
import re
import shutil
import tarfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from softmode.crystal import DisplacementForces, Material
from softmode.datasets import open_dataset, open_reference
from softmode.datasets.plausibility import CHECKS
from softmode.errors import InputDataError


@pytest.fixture(scope="module")
def materials(shared_data: Path) -> dict[str, Material]:
    return {e.name: e.load() for e in open_dataset("phonondb", shared_data / "phonondb").entries()}


def composition_in_name(name: str) -> list[str]:
    """Letters and numbers, sorted: a name such as ``cs2naincl6`` can be read in many ways."""
    return sorted(re.findall(r"[a-z]|\d+", name))


def pack(folder: Path, archive: Path) -> Path:
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(folder, arcname=folder.name)
    return archive


@pytest.mark.shared_data
def test_all_archives_load(materials: dict[str, Material]) -> None:
    assert len(materials) == 143
    prototypes = Counter(m.tags["prototype"] for m in materials.values())
    # 57 quaternary A2BB'X6 and one A3BX6, Cs3TbF6, in the same structure.
    assert prototypes["halide_double_perovskite"] == 58
    doubles = [m for m in materials.values() if m.tags["prototype"] == "halide_double_perovskite"]
    assert sum(len(m.elements) == 4 for m in doubles) == 57
    assert [m.formula for m in doubles if len(m.elements) == 3] == ["Cs3TbF6"]
    assert prototypes == {
        "halide_double_perovskite": 58,
        "a2bx6": 35,
        "abx3": 19,
        "rock_salt": 16,
        "cscl": 2,
        "zincblende": 2,
        "other": 11,
    }
    assert sum(m.nac is not None for m in materials.values()) == 41
    assert all(m.tags["level_of_theory"] == "PBEsol" for m in materials.values())
    assert all(isinstance(m.reference, DisplacementForces) for m in materials.values())


@pytest.mark.shared_data
def test_formulas_agree_with_file_names(shared_data: Path, materials: dict[str, Material]) -> None:
    for path in (shared_data / "phonondb").iterdir():
        found = re.match(r"materials-id-(\d+)-(.+)-(fm-3m|pm-3m|f-43m)-(\d+)\.tar", path.name)
        assert found is not None
        material = materials[f"mp-{found[1]}"]
        if "-" in found[2]:
            continue
        assert composition_in_name(found[2]) == composition_in_name(material.formula.lower()), path.name
        assert material.tags["spacegroup"].endswith(f"({found[4]})")


@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "formula", "a", "b", "b_prime", "x"),
    [
        ("mp-989571", "Cs2NaInCl6", "Cs", "Na", "In", "Cl"),
        ("mp-989561", "Tl2NaGaF6", "Tl", "Na", "Ga", "F"),
        ("mp-989595", "Rb2CsInF6", "Rb", "Cs", "In", "F"),
        ("mp-696965", "Cs3TbF6", "Cs", "Cs", "Tb", "F"),
        ("mp-989538", "Cs2InBiF6", "Cs", "In", "Bi", "F"),
        ("mp-571467", "Cs2NaYBr6", "Cs", "Na", "Y", "Br"),
    ],
)
def test_sites(
    materials: dict[str, Material], name: str, formula: str, a: str, b: str, b_prime: str, x: str
) -> None:
    tags = materials[name].tags
    assert materials[name].formula == formula
    assert (tags["site_A"], tags["site_B"], tags["site_B'"], tags["site_X"], tags["halide"]) == (
        a,
        b,
        b_prime,
        x,
        x,
    )
    assert materials[name].group == x


@pytest.mark.shared_data
def test_packed_equals_unpacked(shared_data: Path, tmp_path: Path) -> None:
    archives = sorted((shared_data / "phonondb").glob("*.tar.lzma"))[::29]
    for archive in archives:
        with tarfile.open(archive, "r:xz") as tar:
            tar.extractall(tmp_path, filter="data")
    unpacked = {e.name: e.load() for e in open_dataset("phonondb", tmp_path).entries()}
    assert len(unpacked) == len(archives)
    for archive in archives:
        packed = open_reference(archive)
        assert unpacked[packed.name].reference_digest == packed.reference_digest
        assert dict(unpacked[packed.name].tags) == dict(packed.tags)


@pytest.mark.shared_data
@pytest.mark.parametrize("number", ["22865", "23037", "22903"])
def test_born_charges_are_those_of_phonopy(shared_data: Path, tmp_path: Path, number: str) -> None:
    import phonopy

    archive = next((shared_data / "phonondb").glob(f"materials-id-{number}-*"))
    with tarfile.open(archive, "r:xz") as tar:
        tar.extractall(tmp_path, filter="data")
    folder = next(tmp_path.iterdir())
    material = open_reference(folder)
    theirs = phonopy.load(
        unitcell_filename=str(folder / "POSCAR-unitcell"),
        supercell_matrix=material.supercell_matrix,
        primitive_matrix=material.primitive_matrix,
        born_filename=str(folder / "BORN"),
        force_sets_filename=str(folder / "FORCE_SETS"),
        produce_fc=False,
    )
    assert material.nac is not None
    np.testing.assert_allclose(material.nac.born_charges, theirs.nac_params["born"], atol=1e-12)
    np.testing.assert_allclose(material.nac.dielectric, theirs.nac_params["dielectric"], atol=1e-12)
    np.testing.assert_allclose(material.unitcell.masses, theirs.unitcell.masses)


def test_small_database_packed_and_unpacked(cscl_like: Path, tmp_path: Path) -> None:
    archive = pack(cscl_like, tmp_path / "materials-id-1-cscl-pm-3m-221.tar.lzma")
    before = sorted(tmp_path.rglob("*"))
    packed, unpacked = open_reference(archive), open_reference(cscl_like)
    assert packed.name == unpacked.name == "mp-1"
    assert packed.reference_digest == unpacked.reference_digest
    np.testing.assert_array_equal(packed.primitive_matrix, np.eye(3))
    assert packed.nac is not None
    np.testing.assert_allclose(packed.nac.unit_factor, 14.399652, atol=1e-6)
    assert sorted(tmp_path.rglob("*")) == before


def test_entries_are_picklable_and_notice_changes(cscl_like: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(cscl_like, tmp_path / cscl_like.name)
    (first,) = open_dataset("phonondb", tmp_path).entries()
    again = pickle.loads(pickle.dumps(first))
    assert again.fingerprint == first.fingerprint
    assert again.load().reference_digest == first.load().reference_digest
    (folder / "FORCE_SETS").write_text((folder / "FORCE_SETS").read_text() + "\n")
    (changed,) = open_dataset("phonondb", tmp_path).entries()
    assert changed.fingerprint != first.fingerprint


def write_disp_yaml(folder: Path, order: list[int], shift: float = 0.0) -> None:
    grid = np.array([(x, y, z) for z in (0, 0.5) for y in (0, 0.5) for x in (0, 0.5)])
    positions = np.vstack([grid + 0.25, grid])
    positions[3, 0] += shift / 8
    symbols = ["Cl"] * 8 + ["Cs"] * 8
    lines = [
        "natom: 16",
        "displacements:",
        "lattice:",
        "- [ 8.0, 0.0, 0.0 ]",
        "- [ 0.0, 8.0, 0.0 ]",
        "- [ 0.0, 0.0, 8.0 ]",
    ]
    lines.append("points:")
    for i in order:
        x, y, z = positions[i]
        lines += [f"- symbol: {symbols[i]} # 1", f"  coordinates: [ {x}, {y}, {z} ]", "  mass: 1.0"]
    (folder / "disp.yaml").write_text("\n".join(lines))


def test_permuted_supercell_of_disp_yaml(cscl_like: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(cscl_like, tmp_path / cscl_like.name)
    plain = open_reference(folder)
    write_disp_yaml(folder, list(range(16)))
    assert open_reference(folder).reference_digest == plain.reference_digest
    order = np.random.default_rng(1).permutation(16).tolist()
    write_disp_yaml(folder, order)
    permuted = open_reference(folder, accept=tuple(CHECKS))  # its forces are in the order they were in
    assert isinstance(plain.reference, DisplacementForces)
    assert isinstance(permuted.reference, DisplacementForces)
    np.testing.assert_array_equal(permuted.reference.forces[:, order], plain.reference.forces)
    np.testing.assert_array_equal(permuted.reference.displacements[:, order], plain.reference.displacements)


def test_supercell_of_disp_yaml_that_is_another(cscl_like: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(cscl_like, tmp_path / cscl_like.name)
    write_disp_yaml(folder, list(range(16)), shift=0.3)
    with pytest.raises(InputDataError, match=r"disp.yaml: atom 4 \(Cl\) is 0.300 Å from the nearest Cl"):
        open_reference(folder)


def test_names_and_duplicates(cscl_like: Path, tmp_path: Path) -> None:
    shutil.copytree(cscl_like, tmp_path / "mp-1-20180417")
    pack(cscl_like, tmp_path / "materials-id-1-cscl-pm-3m-221.tar.xz")
    with pytest.raises(InputDataError, match="are both named mp-1"):
        open_dataset("phonondb", tmp_path).entries()
    wrong = pack(cscl_like, tmp_path / "materials-id-2-cscl.tar.xz")
    with pytest.raises(InputDataError, match="is named mp-2 but holds mp-1"):
        open_reference(wrong)


@pytest.mark.parametrize("fraction", [0.0, 0.05, 0.3, 0.6, 0.9, 0.99])
def test_truncated_archive(cscl_like: Path, tmp_path: Path, fraction: float) -> None:
    archive = pack(cscl_like, tmp_path / "materials-id-1-cscl.tar.lzma")
    data = archive.read_bytes()
    archive.write_bytes(data[: int(fraction * len(data))])
    with pytest.raises(InputDataError) as caught:
        open_reference(archive)
    assert caught.value.subject == str(archive)
    assert "truncated or damaged" in caught.value.problem
    assert "again" in caught.value.remedy


def test_archive_whose_inner_tar_is_cut(cscl_like: Path, tmp_path: Path) -> None:
    import lzma

    archive = pack(cscl_like, tmp_path / "materials-id-1-cscl.tar.xz")
    tar = lzma.decompress(archive.read_bytes())
    with tarfile.open(fileobj=io.BytesIO(tar)) as opened:
        last = max(opened.getmembers(), key=lambda m: m.offset_data)
    archive.write_bytes(lzma.compress(tar[: last.offset_data + 10]))
    with pytest.raises(InputDataError, match="truncated or damaged"):
        open_reference(archive)


BAD = {
    "POSCAR-unitcell": [
        ("", "not a readable POSCAR", "complete POSCAR"),
        (
            " Cl Cs\n 1.0\n 4 0 0\n 0 4 0\n 0 0 4\n Cl Cs\n 1 1\nDirect\n 0 0 0\n",
            "2 atoms announced, 1 given",
            "complete",
        ),
        (
            "no names\n 1.0\n 4 0 0\n 0 4 0\n 0 0 4\n 1 1\nDirect\n 0 0 0\n .5 .5 .5\n",
            "no element symbols",
            "names its",
        ),
        (
            " Cl Cs\n 1.0\n 4 0 0\n 0 4 0\n 0 0 4\n Cl Cs\n 1 1\nDirect\n 0 0 0\n nan 0 0\n",
            "not finite",
            "check the str",
        ),
        (
            " Cl Cs\n 1.0\n 4 0 0\n 4 0 0\n 0 0 4\n Cl Cs\n 1 1\nDirect\n 0 0 0\n .5 .5 .5\n",
            "span no volume",
            "check",
        ),
        (" Cl\n 1.0\n 4 0 0\n 0 4 0\n 0 0 4\n Cl\n 2\nDirect\n 0 0 0\n 0 0 0\n", "atoms", "check"),
    ],
    "phonopy.conf": [
        ("PRIMITIVE_AXIS = F", "DIM, the supercell matrix, is missing", "DIM = 2 2 2"),
        ("DIM = 2 2", "not understood", "three or nine"),
        ("DIM = a b c", "not understood", "three or nine"),
        ("DIM = 0 0 0", "not understood", "three or nine"),
        ("DIM = 3 3 3", "forces on 16 atoms, but the supercell has 54", "belong together"),
        ("DIM = 2 2 2\nPRIMITIVE_AXIS = 1/0 0 0 0 1 0 0 0 1", "primitive matrix", "PRIMITIVE_AXES"),
        ("DIM = 2 2 2\nMASS = 1 2", "MASS", "phonopy_params.yaml"),
    ],
    "BORN": [
        ("", "BORN is not readable", "independent atom"),
        ("14.4\n3 0 0 0 3 0 0 0 3\n", "BORN is not readable", "independent atom"),
        ("14.4\n3 0 0 0 3 0 0 0\n", "BORN is not readable", "independent atom"),
        (
            "14.4\n3 0 0 0 3 0 0 0 x\n1 0 0 0 1 0 0 0 1\n1 0 0 0 1 0 0 0 1\n",
            "BORN is not readable",
            "independent",
        ),
        ("14.4\n3 0 0 0 3 0 0 0 3\nnan 0 0 0 1 0 0 0 1\n1 0 0 0 1 0 0 0 1\n", "", "finite"),
    ],
    "FORCE_SETS": [
        ("", "the file is empty", "phonopy -f"),
        ("16\n", "it ends in displaced supercell 1", "phonopy -f"),
        ("what is this\n", "not a FORCE_SETS", "phonopy -f"),
        ("sixteen\n2\n", "'sixteen' is not a number", "fetch"),
        ("nan\n2\n", "supercell has 16", "belong together"),
        ("0 0 0 0 0 0\n" * 15, "no multiple of the 16 supercell atoms", "complete"),
        ("0 0 0 0 0 0\n" * 16, "all zero", "displacement"),
    ],
    "disp.yaml": [("natom: 16\nlattice:\n- [ 8.0, 0.0", "not readable", "phonopy -d")],
}


@pytest.mark.parametrize(
    ("file", "text", "problem", "remedy"), [(file, *case) for file, cases in BAD.items() for case in cases]
)
def test_bad_files(cscl_like: Path, tmp_path: Path, file: str, text: str, problem: str, remedy: str) -> None:
    folder = shutil.copytree(cscl_like, tmp_path / cscl_like.name)
    (folder / file).write_text(text)
    with pytest.raises(InputDataError) as caught:
        open_reference(folder)
    assert str(folder) in caught.value.subject
    assert problem in caught.value.problem
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (None, None, "it ends in displaced supercell 2 of 2"),
        ("16\n2\n1\n", "15\n2\n1\n", "forces on 15 atoms, but the supercell has 16"),
        ("16\n2\n1\n", "16\n2\n17\n", "displaced supercell 1 moves atom 17 of 16"),
        ("16\n2\n1\n", "16\n1\n1\n", "numbers where 1 displaced supercells"),
    ],
)
def test_damaged_force_sets(
    cscl_like: Path, tmp_path: Path, old: str | None, new: str | None, problem: str
) -> None:
    folder = shutil.copytree(cscl_like, tmp_path / cscl_like.name)
    text = (folder / "FORCE_SETS").read_text()
    (folder / "FORCE_SETS").write_text(
        text[:-300] if old is None or new is None else text.replace(old, new, 1)
    )
    with pytest.raises(InputDataError) as caught:
        open_reference(folder)
    assert caught.value.subject == f"{folder}/FORCE_SETS"
    assert problem in caught.value.problem


@pytest.mark.parametrize(
    ("word", "problem"),
    [
        ("nan", "not finite (NaN) in displaced supercell 2"),
        ("inf", "not finite (NaN) in displaced supercell 2"),
        ("********", "'********' is not a number"),
    ],
)
def test_force_that_is_no_number(cscl_like: Path, tmp_path: Path, word: str, problem: str) -> None:
    folder = shutil.copytree(cscl_like, tmp_path / cscl_like.name)
    words = (folder / "FORCE_SETS").read_text().split()
    (folder / "FORCE_SETS").write_text("\n".join([*words[:-1], word]).replace("\n", "\n", 1))
    with pytest.raises(InputDataError) as caught:
        open_reference(folder)
    assert "FORCE_SETS" in caught.value.subject
    assert problem in caught.value.problem
    assert "repeat that force calculation" in caught.value.remedy


@pytest.mark.parametrize("member", ["POSCAR-unitcell", "phonopy.conf", "FORCE_SETS"])
def test_archive_without_a_member(cscl_like: Path, tmp_path: Path, member: str) -> None:
    folder = shutil.copytree(cscl_like, tmp_path / cscl_like.name)
    (folder / member).unlink()
    archive = pack(folder, tmp_path / "materials-id-1-cscl.tar.lzma")
    with pytest.raises(InputDataError, match=f"{member} is missing") as caught:
        open_reference(archive)
    assert caught.value.subject == str(archive)


def test_binary_rubbish(cscl_like: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(cscl_like, tmp_path / cscl_like.name)
    (folder / "FORCE_SETS").write_bytes(b"\xff\xfe\x00\x9c" * 50)
    with pytest.raises(InputDataError, match="not a text file"):
        open_reference(folder)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputDataError, match="no material of the phonon database"):
        open_dataset("phonondb", empty).entries()
