"""Inputs of every reader, whole and damaged: the embedded crystal and its frames in the files of others."""

from __future__ import annotations

import io
import json
import lzma
import tempfile
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import files
from pathlib import Path

import h5py
import numpy as np
from ase import units
from ase.io import write
from byte_damage import BYTES, WORDS, clear, place
from damage import Damaged, FloatArray, ForceSets, Random
from phonopy import Phonopy
from phonopy.file_IO import get_BORN_lines, get_FORCE_CONSTANTS_lines, write_force_constants_to_hdf5
from phonopy.structure.atoms import PhonopyAtoms
from readers import SAME, Attempt, difference, result
from trajectory_cases import Case, write_case, write_vibes

from softmode.crystal import Cell, DisplacementForces, Material, Trajectory
from softmode.datasets import open_dataset, open_reference, reference_notes, supercell_of
from softmode.errors import SoftmodeError
from softmode.harmonic import build_phonopy, full_force_constants, reference_force_constants
from softmode.structures.labels import read_labels
from softmode.study.settings import load_study

#: What a file was read as, and what was said with it.
Read = tuple[list[FloatArray], list[str]]
_RYDBERG = units.Rydberg / units.Bohr


@dataclass(frozen=True)
class Victim:
    """A reader with what it reads.

    Parameters
    ----------
    name : str
        File that is damaged.
    files : dict of str to bytes
        All files it needs, whole.
    read : callable
        What becomes of the folder.
    contents : callable
        Damages of what the file says, written as its own writer does.
    binary : bool
        Whether the file is no text.
    """

    name: str
    files: dict[str, bytes]
    read: Callable[[Path], Read]
    contents: Callable[[], Iterable[Damaged]] = tuple
    binary: bool = False

    def damages(self, seed: int, rounds: int = 1) -> Iterator[Damaged]:
        """Of what it says, then of its bytes, so many times."""
        yield from self.contents()
        whole = self.files[self.name].decode("latin-1")
        for kind, acts in (BYTES if self.binary else BYTES | WORDS).items():
            for number, act in enumerate(acts):
                for turn in range(rounds):
                    rng = np.random.default_rng([seed, turn, *self.name.encode(), *kind.encode(), number])
                    text, said = act(whole, rng)
                    yield Damaged(self.name, kind, said, text)


def _material(folder: Path, path: str = "") -> Read:
    material = open_reference(folder / path)
    found = result(material)
    if material.nac is not None:
        found += [np.array(material.nac.born_charges), np.array(material.nac.dielectric)]
    return found, list(reference_notes(material, folder / path))


def _frames(folder: Path, file: str, kind: str = "phonopy") -> Read:
    if kind == "vibes":
        dataset = open_dataset(kind, folder / file)
    else:
        dataset = open_dataset(kind, folder / "phonopy_params.yaml", trajectory=file)
    trajectory = dataset.entries()[0].load_trajectory()
    found = [np.array(trajectory.positions), np.array(trajectory.forces), np.array(trajectory.lattice)]
    if kind == "vibes":
        found += result(dataset.entries()[0].load())
    return [*found, trajectory.numbers.astype(float)], list(trajectory.notes)


def _labels(folder: Path) -> Read:
    labels = read_labels(folder / "labels.csv")
    keyed = sorted((repr(label.key), label.sigma) for label in labels.labels)
    names = np.array([float(ord(letter)) for letter in "".join(key for key, _ in keyed)])
    return [names, np.array([sigma for _, sigma in keyed])], list(labels.problems)


def _study(folder: Path) -> Read:
    settings = load_study(folder / "study.toml")
    return [np.array([float(ord(letter)) for letter in settings.model_dump_json()])], []


@dataclass(frozen=True)
class Run:
    """Frames, to be changed and written again.

    Parameters
    ----------
    symbols : list of str
        Of each atom.
    lattice : (3, 3) array
        Å.
    positions, forces : (n_frames, n_atoms, 3) arrays
        Å and eV/Å.
    at_rest : (n_atoms, 3) array
        Fractional coordinates.
    """

    symbols: list[str]
    lattice: FloatArray
    positions: FloatArray
    forces: FloatArray
    at_rest: FloatArray

    @classmethod
    def of(cls, frames: Trajectory, supercell: Cell) -> Run:
        """Of frames and the supercell at rest."""
        symbols = supercell.to_atoms().get_chemical_symbols()
        arrays = (np.array(x) for x in (frames.lattice, frames.positions, frames.forces))
        return cls(symbols, *arrays, np.array(supercell.scaled_positions))

    @property
    def case(self) -> Case:
        """As the writers of the tests take it."""
        scaled = self.positions @ np.linalg.inv(self.lattice)
        return Case(self.lattice, self.symbols, scaled, self.forces, self.at_rest)


def _write_run(run: Run, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_case(run.case, Path(folder) / name).read_bytes()


def _write_vibes(run: Run, example: Material, phi: FloatArray) -> bytes:
    cell = example.unitcell.to_atoms()
    content = {
        "cell": cell.cell.array.tolist(),
        "positions": cell.positions.tolist(),
        "symbols": cell.get_chemical_symbols(),
        "masses": cell.get_masses().tolist(),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "trajectory.nc"
        write_vibes(run.case, path, primitive=False, force_constants=False)
        with h5py.File(path, "a") as file:
            file.attrs["atoms_primitive"] = np.bytes_(json.dumps(content))
            n = 3 * len(phi)
            file["force_constants_remapped"] = phi.transpose(0, 2, 1, 3).reshape(n, n)
        return path.read_bytes()


def _factor(name: str, value: float) -> Callable[[Run, Random], Run]:
    return lambda run, rng: replace(run, **{name: value * getattr(run, name)})


def _forces(act: Callable[[FloatArray, Random], FloatArray | None]) -> Callable[[Run, Random], Run]:
    def change(run: Run, rng: Random) -> Run:
        forces = run.forces.copy()
        other = act(forces, rng)
        return replace(run, forces=forces if other is None else other)

    return change


def _entry(value: float) -> Callable[[FloatArray, Random], None]:
    def act(array: FloatArray, rng: Random) -> None:
        array[tuple(int(rng.integers(n)) for n in array.shape)] = value

    return act


def _zero_frame(forces: FloatArray, rng: Random) -> None:
    forces[int(rng.integers(len(forces)))] = 0.0


def _stuck(forces: FloatArray, rng: Random) -> None:
    i = 1 + int(rng.integers(len(forces) - 1))
    forces[i] = forces[i - 1]


def _drift(forces: FloatArray, rng: Random) -> None:
    forces += 0.2 * np.abs(forces).max()


def _same_frames(run: Run, rng: Random, share: float) -> Run:
    index = np.arange(len(run.forces))
    index[: int(share * len(index))] = 0
    return replace(run, positions=run.positions[index], forces=run.forces[index])


def _jumped(run: Run, rng: Random) -> Run:
    positions = run.positions.copy()
    i, a, x = (int(rng.integers(n)) for n in positions.shape)
    positions[i, a, x] += 1.5
    return replace(run, positions=positions)


def _strained(run: Run, rng: Random) -> Run:
    return replace(run, lattice=1.02 * run.lattice, positions=1.02 * run.positions)


def _renamed(run: Run, rng: Random) -> Run:
    return replace(run, symbols=["Rb" if symbol == "Cs" else symbol for symbol in run.symbols])


RUNS: dict[str, dict[str, Callable[[Run, Random], Run]]] = {
    "sign": {"forces × -1": _factor("forces", -1.0)},
    "unit": {
        "forces in Ry/bohr": _factor("forces", 1.0 / _RYDBERG),
        "forces from Ry/bohr": _factor("forces", _RYDBERG),
        "forces in hartree/bohr": _factor("forces", units.Bohr / units.Hartree),
        "forces in meV": _factor("forces", 1e3),
        "positions in bohr": _factor("positions", 1.0 / units.Bohr),
        "lattice in bohr": _factor("lattice", 1.0 / units.Bohr),
    },
    "scale": {"forces × 2": _factor("forces", 2.0), "lattice × 1.02": _strained},
    "order": {
        "forces of the next frame": _forces(lambda f, rng: np.roll(f, 1, axis=0)),
        "atoms shuffled": _forces(lambda f, rng: f[:, rng.permutation(f.shape[1])]),
        "atoms one on": _forces(lambda f, rng: np.roll(f, 1, axis=1)),
        "axes one on": _forces(lambda f, rng: np.roll(f, 1, axis=2)),
    },
    "duplicate": {
        "one frame only": lambda run, rng: _same_frames(run, rng, 1.0),
        "half of the frames the first": lambda run, rng: _same_frames(run, rng, 0.5),
        "forces of the frame before": _forces(_stuck),
    },
    "fill": {
        "nan": _forces(_entry(np.nan)),
        "999": _forces(_entry(999.0)),
        "a frame without forces": _forces(_zero_frame),
        "drift": _forces(_drift),
    },
    "position": {"an atom moved by 1.5 Å": _jumped},
    "element": {"an element renamed": _renamed},
}


def _run_damages(run: Run, name: str, write: Callable[[Run], bytes]) -> Iterator[Damaged]:
    for kind, changes in RUNS.items():
        for number, (said, change) in enumerate(changes.items()):
            rng = np.random.default_rng([2026, number, *kind.encode()])
            yield Damaged(name, kind, said, write(change(run, rng)).decode("latin-1"))


def _shuffled(phi: FloatArray, rng: Random) -> FloatArray:
    order = rng.permutation(len(phi))
    return phi[order][:, order]


def _zero_block(phi: FloatArray, rng: Random) -> None:
    phi[int(rng.integers(len(phi)))] = 0.0


def _stiff_atom(phi: FloatArray, rng: Random) -> None:
    i = int(rng.integers(len(phi)))
    phi[i, i] *= 2.0


def _exchanged(phi: FloatArray, rng: Random) -> None:
    i, j = rng.choice(len(phi), 2, replace=False)
    phi[[i, j]] = phi[[j, i]]


def _noisy(phi: FloatArray, rng: Random) -> None:
    phi *= 1.0 + 0.3 * rng.normal(size=phi.shape)


CONSTANTS: dict[str, dict[str, Callable[[FloatArray, Random], FloatArray | None]]] = {
    "sign": {"× -1": lambda phi, rng: -phi},
    "unit": {
        "in Ry/bohr²": lambda phi, rng: phi * units.Bohr**2 / units.Rydberg,
        "from Ry/bohr²": lambda phi, rng: phi * units.Rydberg / units.Bohr**2,
    },
    "scale": {"× 2": lambda phi, rng: 2.0 * phi, "one atom twice as stiff": _stiff_atom},
    "order": {
        "atoms shuffled": _shuffled,
        "atoms reversed": lambda phi, rng: phi[::-1, ::-1],
        "axes one on": lambda phi, rng: np.roll(phi, 1, axis=(2, 3)),
        "two rows exchanged": _exchanged,
    },
    "duplicate": {"the first row throughout": lambda phi, rng: np.broadcast_to(phi[:1], phi.shape).copy()},
    "fill": {
        "nan": _entry(np.nan),
        "999": _entry(999.0),
        "a row of zeros": _zero_block,
        "all zero": lambda phi, rng: 0.0 * phi,
    },
    "noise": {"30 %": _noisy},
    "length": {
        "a row less": lambda phi, rng: phi[:-1],
        "a column less": lambda phi, rng: phi[:, :-1],
        "an atom less": lambda phi, rng: phi[:-1, :-1],
    },
}


def _said(name: str, phi: FloatArray, write: Callable[[FloatArray], bytes]) -> Iterator[Damaged]:
    for kind, changes in CONSTANTS.items():
        for number, (said, change) in enumerate(changes.items()):
            rng, other = np.random.default_rng([2026, number, *kind.encode()]), phi.copy()
            changed = change(other, rng)
            yield Damaged(name, kind, said, write(other if changed is None else changed).decode("latin-1"))


def _phi_text(phi: FloatArray) -> bytes:
    return "\n".join(get_FORCE_CONSTANTS_lines(phi)).encode() + b"\n"


def _phi_hdf5(phi: FloatArray) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "force_constants.hdf5"
        write_force_constants_to_hdf5(phi, str(path))
        return path.read_bytes()


def _yaml(phonon: Phonopy, settings: dict[str, bool] | None = None) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "phonopy.yaml"
        phonon.save(path, settings={"force_constants": False, **(settings or {})})
        return path.read_bytes()


def _born(unitcell: PhonopyAtoms) -> bytes:
    """BORN of charges that are isotropic, in Å and eV, and neutral together."""
    charges = {"Cs": 1.3, "Ag": 1.5, "Bi": 4.7}
    halide = -(2 * charges["Cs"] + charges["Ag"] + charges["Bi"]) / 6
    tensors = np.array([charges.get(symbol, halide) * np.eye(3) for symbol in unitcell.symbols])
    return "\n".join(get_BORN_lines(unitcell, tensors, 4.9 * np.eye(3))).encode() + b"\n"


def phonopy_files(material: Material) -> dict[str, str]:
    """Files of a material as phonopy has them."""
    reference = material.reference
    assert isinstance(reference, DisplacementForces)
    atoms = np.abs(reference.displacements).max(axis=2).argmax(axis=1)
    moved = reference.displacements[np.arange(len(atoms)), atoms]
    poscar = io.StringIO()
    write(poscar, material.unitcell.to_atoms(), format="vasp", direct=True)
    return {
        "POSCAR": poscar.getvalue(),
        "FORCE_SETS": ForceSets(atoms + 1, moved, np.array(reference.forces)).write(),
        "phonopy.conf": "DIM = 2 2 2\nPRIMITIVE_AXES = P\n",
    }


_LABELS = b"""formula,sigma_300K,a
Cs2AgBiBr6,0.336,11.2
Cs2AgAsCl6,0.667,10.3
Cs2AgAuBr6,0.838,10.9
CsPbI3,0.72,6.3
CsSnBr3,0.51,5.8
KMgF3,0.29,4.0
Rb2TiCl6,0.44,9.9
"""
_STUDY = b"""name = "small"
measurements = ["harmonic", "sigma"]
seed = 3
output = "runs/small"

[dataset]
kind = "phonopy"
path = "materials"
accept = ["net_force"]
[dataset.select]
limit = 5
[dataset.options]
trajectory = "run.*"

[protocol]
mesh_length = 8.0

[labels]
path = "labels.csv"

[run]
workers = 2

[[potential]]
name = "chgnet"
[[potential]]
name = "7net-0"
label = "seven"
"""


def _label_damages() -> Iterator[Damaged]:
    header, *rows = _LABELS.decode().splitlines()
    cells = [row.split(",") for row in rows]

    def table(kind: str, said: str, first: str, others: list[list[str]]) -> Damaged:
        return Damaged("labels.csv", kind, said, "\n".join([first, *map(",".join, others)]) + "\n")

    def scaled(factor: float) -> list[list[str]]:
        return [[name, f"{float(sigma) * factor:g}", a] for name, sigma, a in cells]

    yield table("unit", "per cent", header, scaled(100.0))
    yield table("unit", "per mille of what they are", header, scaled(0.001))
    yield table("sign", "negative", header, scaled(-1.0))
    yield table("order", "columns exchanged", header, [[sigma, name, a] for name, sigma, a in cells])
    yield table(
        "order", "lattice constants for scores", header, [[name, a, sigma] for name, sigma, a in cells]
    )
    yield table("duplicate", "a column named twice", "formula,sigma_300K,sigma_300K", cells)
    yield table("duplicate", "a row twice", header, [*cells, cells[0]])
    yield table("duplicate", "a row twice with another score", header, [*cells, [cells[0][0], "0.9", "1"]])
    yield table("length", "more cells than columns", header, [[*row, "1"] for row in cells])
    yield table("length", "a column less", header, [row[:1] for row in cells])
    yield table("fill", "no numbers", header, [[name, "n/a", a] for name, _, a in cells])
    yield table("fill", "infinite", header, [[name, "inf", a] for name, _, a in cells])
    yield table(
        "character", "decimal commas", header, [[name, f'"{s.replace(".", ",")}"', a] for name, s, a in cells]
    )
    yield table("character", "semicolons", header.replace(",", ";"), [[";".join(row)] for row in cells])


def victims(example: Material, trajectory: Trajectory) -> tuple[Victim, ...]:
    """All of them, of one crystal with its frames."""
    phonon = build_phonopy(example)
    phi = np.array(full_force_constants(phonon, reference_force_constants(phonon, example)).values)
    own = {name: text.encode() for name, text in phonopy_files(example).items()}
    base = {name: own[name] for name in ("POSCAR", "phonopy.conf")}
    params = (files("softmode") / "data" / "Cs2AgBiBr6" / "phonopy_params.yaml").read_bytes()
    displaced = _yaml(phonon, {"force_sets": False, "displacements": True})
    run = Run.of(trajectory, supercell_of(example))

    def constants(name: str, write: Callable[[FloatArray], bytes], binary: bool) -> Victim:
        return Victim(name, {**base, name: write(phi)}, _material, lambda: _said(name, phi, write), binary)

    def frames(name: str, binary: bool = False) -> Victim:
        write = partial(_write_run, name=name)
        whole = {"phonopy_params.yaml": params, name: write(run)}
        return Victim(
            name, whole, partial(_frames, file=name), lambda: _run_damages(run, name, write), binary
        )

    yaml, packed, disp = "phonopy_params.yaml", "phonopy_params.yaml.xz", "phonopy_disp.yaml"
    vibes = partial(_write_vibes, example=example, phi=phi)
    return (
        Victim(yaml, {yaml: params}, partial(_material, path=yaml)),
        Victim(packed, {packed: lzma.compress(params)}, partial(_material, path=packed), binary=True),
        Victim(disp, {disp: displaced, "FORCE_SETS": own["FORCE_SETS"]}, _material),
        Victim("BORN", {**own, "BORN": _born(phonon.primitive)}, _material),
        constants("FORCE_CONSTANTS", _phi_text, False),
        constants("force_constants.hdf5", _phi_hdf5, True),
        frames("vasprun.xml"),
        frames("run.extxyz"),
        frames("run.traj", True),
        Victim(
            "trajectory.nc",
            {"trajectory.nc": vibes(run)},
            partial(_frames, file="trajectory.nc", kind="vibes"),
            lambda: _run_damages(run, "trajectory.nc", vibes),
            True,
        ),
        Victim("labels.csv", {"labels.csv": _LABELS}, _labels, _label_damages),
        Victim("study.toml", {"study.toml": _STUDY}, _study),
    )


def attack_reader(victim: Victim, folder: Path, damages: Iterable[Damaged]) -> list[Attempt]:
    """Read each damaged file with the others of its folder, which is made."""
    folder.mkdir()
    for name, data in victim.files.items():
        (folder / name).write_bytes(data)
    truth, said_of_whole = victim.read(folder)
    attempts = []
    for damage in damages:
        place(folder / victim.name, damage)
        try:
            attempts.append(_outcome(victim, folder, damage, truth, said_of_whole))
        finally:
            clear(folder / victim.name)
    return attempts


def _outcome(
    victim: Victim, folder: Path, damage: Damaged, truth: list[FloatArray], said_of_whole: list[str]
) -> Attempt:
    try:
        found, notes = victim.read(folder)
    except SoftmodeError as error:
        return Attempt(damage, "refused", str(error))
    except Exception as error:  # noqa: BLE001 - what the attack is there to find
        return Attempt(damage, "crash", f"{type(error).__name__}: {error}")
    moved = difference(truth, found)
    if moved <= SAME:
        return Attempt(damage, "same", "", moved)
    said = [note for note in notes if note not in said_of_whole and "accepted though" not in note]
    return Attempt(damage, "noted" if said else "silent", "; ".join(said), moved)
