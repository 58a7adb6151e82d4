"""Trajectories from files of every format, whole and cut short, against what was written."""

from __future__ import annotations

import gzip
import io
import lzma
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import ase.io
import ase.io.ulm
import h5py
import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.constraints import FixAtoms
from numpy.typing import NDArray
from trajectory_cases import Case, make_case, write_case
from vasprun_writer import vasprun_text

from softmode.crystal import Trajectory
from softmode.datasets import read_trajectory
from softmode.errors import InputDataError, SettingsError, SoftmodeError

CASE = make_case()
NAMES = ["vasprun.xml", "run.traj", "run.extxyz", "run.xyz", "trajectory.nc"]


def assert_frames(trajectory: Trajectory, case: Case, frames: slice | list[int] = slice(None)) -> None:
    assert trajectory.numbers.tolist() == case.supercell.numbers.tolist()
    np.testing.assert_allclose(trajectory.lattice, case.lattice, atol=1e-8)
    np.testing.assert_allclose(trajectory.positions, case.positions[frames], atol=2e-8, rtol=0)
    np.testing.assert_allclose(trajectory.forces, case.forces[frames], atol=1e-8, rtol=0)


@pytest.mark.parametrize("compression", ["", ".gz", ".xz"])
@pytest.mark.parametrize("name", NAMES)
def test_every_format(name: str, compression: str, tmp_path: Path) -> None:
    trajectory = read_trajectory([write_case(CASE, tmp_path / (name + compression))])
    assert_frames(trajectory, CASE)
    assert trajectory.notes == ()
    assert trajectory.run_lengths == (6,)
    assert trajectory.source == name + compression


@pytest.mark.parametrize("name", NAMES)
def test_found_by_content(name: str, tmp_path: Path) -> None:
    path = write_case(CASE, tmp_path / name).rename(tmp_path / "frames.dat")
    assert_frames(read_trajectory([path]), CASE)


def test_vasprun_as_ase_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "vasprun.xml"
    path.write_text(CASE.vasprun(selective=["F F F", "F T T", *["T T T"] * 6]))
    images = ase.io.read(path, index=":")
    trajectory = read_trajectory([path])
    for frame, atoms in enumerate(images):
        np.testing.assert_allclose(trajectory.positions[frame], atoms.positions, atol=1e-12)
        np.testing.assert_array_equal(trajectory.forces[frame], atoms.get_forces(apply_constraint=False))
    assert np.all(images[0].get_forces()[0] == 0.0)
    assert_frames(trajectory, CASE)


def test_constraints_do_not_zero_forces(tmp_path: Path) -> None:
    atoms = CASE.atoms(0)
    atoms.set_constraint(FixAtoms([0, 1]))
    for name in ("fixed.traj", "fixed.extxyz"):
        ase.io.write(tmp_path / name, [atoms])
        trajectory = read_trajectory([tmp_path / name])
        np.testing.assert_allclose(trajectory.forces[0], CASE.forces[0], atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(("skip", "every"), [(2, 1), (0, 2), (1, 3), (5, 9)])
def test_skip_and_every_act_in_each_run(name: str, skip: int, every: int, tmp_path: Path) -> None:
    short = make_case(n_frames=4, seed=9)
    paths = [write_case(CASE, tmp_path / name), write_case(short, tmp_path / f"second_{name}")]
    trajectory = read_trajectory(paths, skip=skip, every=every)
    kept = [list(range(skip, n, every)) for n in (6, 4)]
    assert trajectory.run_lengths == tuple(len(frames) for frames in kept if frames)
    first, second = trajectory.positions[: len(kept[0])], trajectory.positions[len(kept[0]) :]
    np.testing.assert_allclose(first, CASE.positions[kept[0]], atol=2e-8)
    np.testing.assert_allclose(second, short.positions[kept[1]], atol=2e-8)
    if skip == 5:
        assert trajectory.notes == (f"{paths[1]}: skipping 5 frames leaves none of its 4",)
    else:
        assert trajectory.notes == ()


def test_concatenated_runs(tmp_path: Path) -> None:
    second = make_case(n_frames=3, seed=5)
    whole, other = CASE.vasprun(), second.vasprun()
    path = tmp_path / "vasprun.xml"
    path.write_text(whole + other)
    trajectory = read_trajectory([path])
    assert trajectory.run_lengths == (6, 3)
    assert trajectory.notes == ()
    np.testing.assert_allclose(trajectory.positions[6:], second.positions, atol=2e-8)
    third_frame = [i for i in range(len(whole)) if whole.startswith("</calculation>", i)][2]
    path.write_text(whole[: third_frame - 700] + other)  # killed, then continued in the same file
    trajectory = read_trajectory([path], every=2)
    assert trajectory.run_lengths == (1, 2)
    np.testing.assert_allclose(trajectory.positions[0], CASE.positions[0], atol=2e-8)
    np.testing.assert_allclose(trajectory.forces[1:], second.forces[::2], atol=1e-8)
    (note,) = trajectory.notes
    assert "cut short in frame 2 (counted from 0" in note
    members = tmp_path / "vasprun.xml.gz"
    members.write_bytes(gzip.compress(whole.encode()) + gzip.compress(other.encode()))
    assert read_trajectory([members]).run_lengths == (6, 3)


def read_cut(path: Path, data: bytes) -> Trajectory | InputDataError:
    path.write_bytes(data)
    try:
        return read_trajectory([path])
    except InputDataError as error:
        return error


def check_cut(found: Trajectory | InputDataError, path: Path, n_whole: int, is_cut: bool) -> None:
    """Whole frames and a note iff cut; an error that names the file where there is none."""
    if n_whole == 0:
        assert isinstance(found, InputDataError), found
        assert path.name in found.subject + found.problem
        return
    assert isinstance(found, Trajectory), found
    assert_frames(found, CASE, slice(n_whole))
    if is_cut:
        (note,) = found.notes
        assert note.startswith(f"{path}: cut short in frame {n_whole} (counted from 0")
        assert f"its {n_whole} whole frames are used" in note
    else:
        assert found.notes == ()


def _gunzip(data: bytes) -> bytes:
    return zlib.decompressobj(zlib.MAX_WBITS | 16).decompress(data)


def _unxz(data: bytes) -> bytes:
    return lzma.LZMADecompressor().decompress(data)


@pytest.mark.parametrize(
    ("suffix", "compress", "decompress", "n_cuts"),
    [
        ("", bytes, bytes, 400),
        (".gz", lambda data: gzip.compress(data, 1), _gunzip, 150),
        (".xz", lzma.compress, _unxz, 150),
    ],
)
def test_vasprun_cut_anywhere(
    suffix: str,
    compress: Callable[[bytes], bytes],
    decompress: Callable[[bytes], bytes],
    n_cuts: int,
    tmp_path: Path,
) -> None:
    text = CASE.vasprun().encode()
    data = compress(text)
    path = tmp_path / f"vasprun.xml{suffix}"
    closing = len(text) - 1
    cuts = set(np.linspace(0, len(data), n_cuts).astype(int).tolist())
    if not suffix:
        at = -1
        while (at := text.find(b"</calculation>", at + 1)) >= 0:
            cuts |= {at, at + 13, at + 14, at + 15}
        cuts |= {closing - 1, closing, closing + 1}
    for cut in sorted(cuts):
        there = decompress(data[:cut])
        found = read_cut(path, data[:cut])
        is_cut = len(there) < closing or (bool(suffix) and cut < len(data))
        check_cut(found, path, there.count(b"</calculation>"), is_cut)


def test_vasprun_with_unwritten_blocks(tmp_path: Path) -> None:
    text = CASE.vasprun().encode()
    path = tmp_path / "vasprun.xml"
    check_cut(
        read_cut(path, text[: len(text) // 2] + b"\x00" * 4096),
        path,
        text[: len(text) // 2].count(b"</calc"),
        True,
    )


def test_extended_xyz_cut_anywhere(tmp_path: Path) -> None:
    path = write_case(CASE, tmp_path / "run.extxyz")
    data = path.read_bytes()
    assert data.endswith(b"\n")
    lines = data.splitlines(keepends=True)
    ends = np.cumsum([len(line) for line in lines])[9::10]
    for cut in sorted({*range(0, len(data), 23), *(end + d for end in ends for d in (-2, -1, 0))}):
        whole = int(np.sum(ends - 1 <= cut))  # lines are of one width: the line feed may be missing
        found = read_cut(path, data[:cut])
        check_cut(found, path, whole, cut not in ends and cut + 1 not in ends)
    free = b"".join(b" ".join(line.split()) + b"\n" for line in lines)  # widths differ: a number may be cut
    free_ends = np.cumsum([len(b" ".join(line.split())) + 1 for line in lines])[9::10]
    for cut in sorted({*range(0, len(free), 31), *(end + d for end in free_ends for d in (-3, -2, -1, 0))}):
        found = read_cut(path, free[:cut])
        check_cut(found, path, int(np.sum(free_ends <= cut)), cut not in free_ends)


@pytest.mark.parametrize("n_frames", [6, 45])
def test_ase_trajectory_cut_anywhere(n_frames: int, tmp_path: Path) -> None:
    case = make_case(n_frames)
    path = write_case(case, tmp_path / "run.traj")
    data = path.read_bytes()
    reader = ase.io.ulm.Reader(io.BytesIO(data))
    ends = [int(o) + 8 + int.from_bytes(data[int(o) : int(o) + 8], "little") for o in reader._offsets]
    cuts = {*np.linspace(1, len(data), 160).astype(int).tolist(), *ends, *(end - 1 for end in ends)}
    for cut in sorted(cuts):
        found = read_cut(path, data[:cut])
        n_whole = sum(end <= cut for end in ends)
        if n_whole == 0:
            assert isinstance(found, InputDataError)
            continue
        assert isinstance(found, Trajectory), (cut, found)
        assert_frames(found, case, slice(n_whole))
        assert bool(found.notes) == (n_whole < n_frames)


@pytest.mark.parametrize("name", ["run.traj.gz", "run.extxyz.xz", "trajectory.nc.gz"])
def test_compressed_and_cut(name: str, tmp_path: Path) -> None:
    path = write_case(make_case(40), tmp_path / name)
    found = read_cut(path, path.read_bytes()[: path.stat().st_size // 2])
    if name.startswith("trajectory.nc"):
        assert isinstance(found, InputDataError)
        assert "truncated" in found.problem
    else:
        assert isinstance(found, Trajectory)
        assert 0 < found.n_frames < 40
        assert_frames(found, make_case(40), slice(found.n_frames))
        assert "cut short" in found.notes[0]


def refused(paths: list[Path], subject: str, problem: str, remedy: str, **options: int) -> None:
    with pytest.raises(SoftmodeError) as caught:
        read_trajectory(paths, **options)
    error = caught.value
    assert subject in error.subject
    assert problem in error.problem
    assert remedy in error.remedy


def test_missing_forces(tmp_path: Path) -> None:
    path = tmp_path / "vasprun.xml"
    path.write_text(CASE.vasprun(without_forces=(3,)))
    refused([path], "vasprun.xml, frame 3 (counted from 0)", "no forces", "leave that frame out")
    assert read_trajectory([path], skip=4).n_frames == 2
    for name in ("run.traj", "run.extxyz"):
        images = [CASE.atoms(frame) for frame in range(3)]
        images[1].calc = None
        ase.io.write(tmp_path / name, images)
        refused([tmp_path / name], f"{name}, frame 1 (counted from 0)", "no forces", "leave that frame out")


def test_frames_that_are_not_finite(tmp_path: Path) -> None:
    for value in (np.nan, np.inf):
        forces = CASE.forces.copy()
        forces[[2, 4], 1, 1] = value
        broken = Case(CASE.lattice, CASE.symbols, CASE.scaled, forces, CASE.at_rest)
        for name in NAMES:
            path = write_case(broken, tmp_path / name)
            refused([path], name, "not finite (NaN) in frame 2, 4 (counted from 0)", "repeat the calculation")
            assert read_trajectory([path], every=3).n_frames == 2
            refused([path], name, "in frame 4 (counted from 0)", "leave those frames out", skip=3)


def test_numbers_that_overflowed(tmp_path: Path) -> None:
    path = tmp_path / "vasprun.xml"
    row = "".join(f"{x:16.8f}" for x in CASE.forces[2, 0])
    path.write_text(CASE.vasprun().replace(row, "*" * 16 + row[16:]))
    refused([path], "vasprun.xml, frame 2", "forces are not three numbers an atom", "leave it out")
    rows = CASE.vasprun().replace(f"   <v>{row} </v>\n", "")
    path.write_text(rows)
    refused([path], "vasprun.xml, frame 2", "forces of shape (7, 3)", "leave that frame out")


def part(atoms: ase.Atoms, chosen: Sequence[int]) -> ase.Atoms:
    some = atoms[list(chosen)]
    some.calc = SinglePointCalculator(some, forces=atoms.calc.results["forces"][list(chosen)])
    return some


def vasprun_of(lattices: NDArray[np.float64]) -> str:
    return vasprun_text(CASE.symbols, lattices, CASE.scaled, CASE.forces)


def test_frames_that_do_not_belong_together(tmp_path: Path) -> None:
    images = [CASE.atoms(frame) for frame in range(3)]
    path = tmp_path / "run.extxyz"
    remedy = "one supercell"
    ase.io.write(path, [images[0], part(images[1], range(7))])
    refused([path], "run.extxyz, frame 1", "it has 7 atoms, but the first frame 8", remedy)
    ase.io.write(path, [images[0], part(images[1], [4, 1, 2, 3, 0, 5, 6, 7])])
    refused([path], "run.extxyz, frame 1", "atom 1 is Cl, but Cs in the first frame", remedy)
    images[2].cell[0, 1] += 0.02
    ase.io.write(path, images)
    refused([path], "run.extxyz, frame 2", "by 0.0024 (relative; allowed 0.001)", "constant volume")
    images[2].cell = None
    ase.io.write(path, images)
    refused([path], "run.extxyz, frame 2", "no periodic cell", "lattice vectors")
    larger = write_case(Case(1.002 * CASE.lattice, *list(vars(CASE).values())[1:]), tmp_path / "larger.xml")
    first = write_case(CASE, tmp_path / "first.xml")
    refused([first, larger], "larger.xml, frame 0", "by 0.002 (relative", "constant volume")
    lattices = np.array([CASE.lattice * scale for scale in (1, 1, 1.01, 1, 1, 1)])
    changing = tmp_path / "npt.xml"
    changing.write_text(vasprun_of(lattices))
    refused([changing], "npt.xml, frame 2", "by 0.01 (relative", "constant volume")


def test_lattice_that_breathes_a_little_keeps_fractions(tmp_path: Path) -> None:
    factors = 1 + 5e-4 * np.array([0, 1, -1, 0.5, 0, 1])
    path = tmp_path / "vasprun.xml"
    path.write_text(vasprun_of(CASE.lattice * factors[:, None, None]))
    assert_frames(read_trajectory([path]), CASE)
    images = [CASE.atoms(frame) for frame in range(6)]
    for atoms, factor in zip(images, factors, strict=True):
        forces = atoms.calc.results["forces"]
        atoms.set_cell(atoms.cell * factor, scale_atoms=True)
        atoms.calc.atoms = atoms.copy()
        atoms.calc.results["forces"] = forces
    ase.io.write(tmp_path / "run.traj", images)
    assert_frames(read_trajectory([tmp_path / "run.traj"]), CASE)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    def put(name: str, content: bytes) -> list[Path]:
        (tmp_path / name).write_bytes(content)
        return [tmp_path / name]

    refused(put("vasprun.xml", b""), "vasprun.xml", "the file is empty", "leave it out")
    refused(
        put("OUTCAR", b" vasp.5.4.4 \n"),
        "OUTCAR",
        "format is not known",
        "vasprun.xml, ASE .traj, extended XYZ",
    )
    refused(
        put("a.xml", b"<?xml version='1.0'?>\n<modeling><a></b>"),
        "a.xml",
        "not the XML of a vasprun",
        "fetch",
    )
    refused(put("b.xml", b"<html>\n</html>\n"), "b.xml", "no frame is left", "longer trajectory")
    refused(
        put("b.nc", b"\x89HDF\r\n\x1a\n" + bytes(90)), "b.nc", "not a readable trajectory.nc", "vibes output"
    )
    refused(put("c.nc", b"CDF\x01" + bytes(90)), "c.nc", "classic format", "nccopy -k nc4")
    refused(
        put("d.xyz", b'2\nLattice="1 0"\nH 0 0 0\nH 0 0 0\n'), "d.xyz, frame 0", "ASE cannot read", "Lattice"
    )
    refused(
        put("g.xyz", b'-3\nLattice="1 0"\n'), "g.xyz, frame 0", "stands where the number of atoms", "extended"
    )
    refused(put("e.xyz", b"H 0 0 0\n"), "e.xyz, frame 0", "stands where the number of atoms", "extended XYZ")
    gz = write_case(CASE, tmp_path / "run.xml.gz").read_bytes()
    refused(put("f.xml.gz", gz[:400] + b"\xff" * 64 + gz[464:]), "f.xml.gz", "damaged", "copy it again")
    refused([tmp_path / "absent.xml"], "absent.xml", "no such file", "existing")
    refused([tmp_path], tmp_path.name, "a folder", "files in it")
    path = write_case(CASE, tmp_path / "run.traj")
    refused([path, path], "run.traj", "given twice", "once")
    refused([], "trajectory", "no file is given", "at least one")
    refused([path], "run.traj", "no frame is left", "skip fewer", skip=6)
    with pytest.raises(SettingsError, match="skip = -1, every = 1 makes no sense"):
        read_trajectory([path], skip=-1)
    with pytest.raises(SettingsError, match="every = 0"):
        read_trajectory([path], every=0)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", [*NAMES, "vasprun.xml.gz", "run.extxyz.xz"])
def test_damaged_anywhere(name: str, tmp_path: Path) -> None:
    """Whatever bytes are wrong: frames, or an error that names the file; never a traceback."""
    path = write_case(CASE, tmp_path / name)
    data = path.read_bytes()
    rng = np.random.default_rng(5)
    for _ in range(30):
        damaged = bytearray(data)
        for place in rng.integers(0, len(data), 3):
            damaged[place] = rng.integers(0, 256)
        found = read_cut(path, bytes(damaged))
        assert isinstance(found, Trajectory) or path.name in str(found)


def test_vibes_without_what_is_needed(tmp_path: Path) -> None:
    path = write_case(CASE, tmp_path / "trajectory.nc")
    with h5py.File(path, "a") as file:
        del file["forces"]
    refused([path], "trajectory.nc, frame 0", "no forces", "written with forces")
    with h5py.File(path, "a") as file:
        del file["cell"]
    refused([path], "trajectory.nc", "it holds no cell", "vibes output trajectory")
