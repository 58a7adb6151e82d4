"""Damaged inputs from a seed: what goes wrong with files between a calculation and its reader.

Every damage is a function of a text and a random generator: it gives the damaged text and says what was done.
`DAMAGES` holds them by file and kind. Another reader is attacked by another entry.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
from ase import units
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Random = np.random.Generator
#: From text and random numbers to the damaged text and what was done to it.
Damage = Callable[[str, Random], tuple[str, str]]


@dataclass(frozen=True)
class Damaged:
    """A damaged file.

    Parameters
    ----------
    file : str
        Name of the file.
    kind : str
        Kind of damage.
    description : str
        What was done.
    text : str
        What it holds now.
    """

    file: str
    kind: str
    description: str
    text: str


def damaged(files: dict[str, str], seed: int, rounds: int = 1) -> Iterator[Damaged]:
    """Every damage that there is of these files, so many times with other random numbers.

    Parameters
    ----------
    files : dict of str to str
        Texts by the names that `DAMAGES` knows.
    seed : int
        The same seed gives the same damage, whatever other damages there are.
    rounds : int
        How often.
    """
    for file, text in files.items():
        for kind, damages in DAMAGES[file].items():
            for number, damage in enumerate(damages):
                for turn in range(rounds):
                    rng = np.random.default_rng([seed, turn, *file.encode(), *kind.encode(), number])
                    changed, said = damage(text, rng)
                    yield Damaged(file, kind, said, changed)


@dataclass(frozen=True)
class ForceSets:
    """FORCE_SETS of type 1, to be changed and written again.

    Parameters
    ----------
    atoms : (n,) array
        Displaced atoms, from 1.
    displacements : (n, 3) array
        Å.
    forces : (n, n_atoms, 3) array
        eV/Å.
    """

    atoms: NDArray[np.int64]
    displacements: FloatArray
    forces: FloatArray

    @classmethod
    def read(cls, text: str) -> ForceSets:
        """From a whole file."""
        numbers = np.array(text.split(), dtype=float)
        n_atoms, n = int(numbers[0]), int(numbers[1])
        blocks = numbers[2:].reshape(n, 4 + 3 * n_atoms)
        return cls(blocks[:, 0].astype(int), blocks[:, 1:4], blocks[:, 4:].reshape(n, n_atoms, 3))

    def write(self) -> str:
        """The file."""
        lines = [f"{self.forces.shape[1]}", f"{len(self.atoms)}"]
        for atom, displacement, forces in zip(self.atoms, self.displacements, self.forces, strict=True):
            lines += ["", f"{atom}", _row(displacement), *map(_row, forces)]
        return "\n".join(lines) + "\n"


def _row(vector: FloatArray) -> str:
    return " ".join(f"{x:16.10f}" for x in vector)


def _sets(change: Callable[[ForceSets, Random], tuple[ForceSets, str]]) -> Damage:
    """A damage of the numbers in FORCE_SETS."""

    def damage(text: str, rng: Random) -> tuple[str, str]:
        changed, said = change(ForceSets.read(text), rng)
        return changed.write(), said

    return damage


def _factor(what: str, value: float, one: bool = False) -> Damage:
    """Forces or displacements times a number: all, or those of one supercell."""

    def change(sets: ForceSets, rng: Random) -> tuple[ForceSets, str]:
        array: FloatArray = np.array(getattr(sets, what))
        where = int(rng.integers(len(array)))
        chosen = slice(where, where + 1) if one else slice(None)
        array[chosen] *= value
        return replace(
            sets, **{what: array}
        ), f"{what}{f' of supercell {where + 1}' if one else ''} × {value:.4g}"

    return _sets(change)


def _picked(said: str, act: Callable[[FloatArray, int, int, int, Random], None]) -> Damage:
    """Something done to the forces at a random supercell, atom and axis."""

    def change(sets: ForceSets, rng: Random) -> tuple[ForceSets, str]:
        forces = sets.forces.copy()
        place = [int(rng.integers(n)) for n in forces.shape]
        act(forces, *place, rng)
        return replace(sets, forces=forces), f"{said} (supercell {place[0] + 1}, atom {place[1] + 1})"

    return _sets(change)


def _negative_component(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    where = np.unravel_index(int(rng.choice(np.argsort(np.abs(forces).ravel())[-30:])), forces.shape)
    forces[where] *= -1


def _negative_atom(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[s, a] *= -1


def _negative_axis(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[..., x] *= -1


def _swapped_rows(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    b = int(rng.integers(forces.shape[1]))
    forces[s, [a, b]] = forces[s, [b, a]]


def _shuffled_atoms(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[:] = forces[:, rng.permutation(forces.shape[1])]


def _shuffled_in_one(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[s] = forces[s, rng.permutation(forces.shape[1])]


def _reversed_atoms(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[:] = forces[:, ::-1]


def _rolled_atoms(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[:] = np.roll(forces, 1, axis=1)


def _cyclic_axes(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[:] = np.roll(forces, 1, axis=2)


def _swapped_axes_in_one(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[s] = forces[s][:, [1, 0, 2]]


def _swapped_supercells(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    other = (s + 1 + int(rng.integers(max(1, len(forces) - 1)))) % len(forces)
    forces[[s, other]] = forces[[other, s]]


def _rolled_supercells(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[:] = np.roll(forces, 1, axis=0)


def _copied_supercell(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[s] = forces[(s + 1) % len(forces)]


def _stuck_row(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[s, a] = forces[s, a - 1]


def _zero_atom(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[s, int(np.linalg.norm(forces[s], axis=1).argmax())] = 0.0


def _zero_supercell(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[s] = 0.0


def _filled_component(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[s, a, x] = 999.0


def _missing_half(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[s, forces.shape[1] // 2 :] = 0.0


def _constant(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[s] += 0.02 * np.abs(forces).max()


def _residual(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    residual = rng.normal(size=forces.shape[1:]) * 0.2 * np.abs(forces).max()
    forces += residual - residual.mean(axis=0)


def _noise(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces *= 1.0 + 0.3 * rng.normal(size=forces.shape)


def _rounded(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    forces[:] = np.round(forces, 2)


def _tenfold(forces: FloatArray, s: int, a: int, x: int, rng: Random) -> None:
    a = int(rng.choice(np.argsort(np.linalg.norm(forces[s], axis=1))[-6:]))
    forces[s, a] *= 10.0


def _displaced(said: str, act: Callable[[ForceSets, int, Random], ForceSets]) -> Damage:
    """Something done to what is said of the displacement of a random supercell."""

    def change(sets: ForceSets, rng: Random) -> tuple[ForceSets, str]:
        s = int(rng.integers(len(sets.atoms)))
        return act(sets, s, rng), f"{said} (supercell {s + 1})"

    return _sets(change)


def _other_vector(sets: ForceSets, s: int, change: Callable[[FloatArray], FloatArray]) -> ForceSets:
    displacements = sets.displacements.copy()
    displacements[s] = change(displacements[s])
    return replace(sets, displacements=displacements)


def _other_atom(sets: ForceSets, s: int, rng: Random) -> ForceSets:
    atoms = sets.atoms.copy()
    atoms[s] = 1 + (atoms[s] - 1 + 1 + int(rng.integers(sets.forces.shape[1] - 1))) % sets.forces.shape[1]
    return replace(sets, atoms=atoms)


def _without(sets: ForceSets, s: int, rng: Random) -> ForceSets:
    keep = np.arange(len(sets.atoms)) != s
    return ForceSets(sets.atoms[keep], sets.displacements[keep], sets.forces[keep])


def _twice(sets: ForceSets, s: int, rng: Random) -> ForceSets:
    order = [*range(len(sets.atoms)), s]
    return ForceSets(sets.atoms[order], sets.displacements[order], sets.forces[order])


def _characters(said: str, act: Callable[[list[str], int, Random], None]) -> Damage:
    """Something done to one of the words of a file that is a number with a decimal point."""

    def damage(text: str, rng: Random) -> tuple[str, str]:
        pieces = text.replace("\n", " \n ").split(" ")
        where = int(rng.choice([i for i, piece in enumerate(pieces) if re.search(r"\d\.\d", piece)]))
        before = pieces[where]
        act(pieces, where, rng)
        return " ".join(pieces), f"{said} {before!r} → {pieces[where]!r}"

    return damage


def _other_digit(pieces: list[str], i: int, rng: Random) -> None:
    at = int(rng.choice([k for k, letter in enumerate(pieces[i]) if letter.isdigit()]))
    digit = (int(pieces[i][at]) + 1 + int(rng.integers(9))) % 10
    pieces[i] = f"{pieces[i][:at]}{digit}{pieces[i][at + 1 :]}"


def _without_sign(pieces: list[str], i: int, rng: Random) -> None:
    pieces[i] = pieces[i][1:] if pieces[i].startswith("-") else f"-{pieces[i]}"


def _moved_point(pieces: list[str], i: int, rng: Random) -> None:
    whole, _, rest = pieces[i].partition(".")
    pieces[i] = f"{whole}{rest[0]}.{rest[1:]}"


def _replaced(word: str) -> Callable[[list[str], int, Random], None]:
    def act(pieces: list[str], i: int, rng: Random) -> None:
        pieces[i] = word

    return act


def _comma(pieces: list[str], i: int, rng: Random) -> None:
    pieces[i] = pieces[i].replace(".", ",")


def _all_commas(text: str, rng: Random) -> tuple[str, str]:
    return text.replace(".", ","), "decimal commas"


def _cut(text: str, rng: Random) -> tuple[str, str]:
    at = int(rng.integers(1, len(text)))
    return text[:at], f"cut after {at} of {len(text)} characters"


def _flipped_bit(text: str, rng: Random) -> tuple[str, str]:
    data = bytearray(text.encode())
    at, bit = int(rng.integers(len(data))), int(rng.integers(7))
    data[at] ^= 1 << bit
    return data.decode("latin-1"), f"bit {bit} of byte {at} flipped"


def _lines(said: str, act: Callable[[list[str], Random], None]) -> Damage:
    """Something done to the lines of a file."""

    def damage(text: str, rng: Random) -> tuple[str, str]:
        lines = text.splitlines()
        act(lines, rng)
        return "\n".join(lines) + "\n", said

    return damage


def _swapped_lines(lines: list[str], rng: Random) -> None:
    i, j = rng.choice(np.arange(3, len(lines)), size=2, replace=False)
    lines[i], lines[j] = lines[j], lines[i]


def _lost_line(lines: list[str], rng: Random) -> None:
    del lines[int(rng.integers(2, len(lines)))]


def _doubled_line(lines: list[str], rng: Random) -> None:
    i = int(rng.integers(2, len(lines)))
    lines.insert(i, lines[i])


def _scaled_lattice(factor: float) -> Damage:
    def act(lines: list[str], rng: Random) -> None:
        lines[1] = f"{float(lines[1]) * factor:.10f}"

    return _lines(f"lattice × {factor:.4g}", act)


def _swapped_symbols(lines: list[str], rng: Random) -> None:
    symbols = lines[5].split()
    i, j = rng.choice(len(symbols), size=2, replace=False) if len(symbols) > 1 else (0, 0)
    symbols[i], symbols[j] = symbols[j], symbols[i]
    lines[5] = " ".join(symbols)


def _renamed(lines: list[str], rng: Random) -> None:
    symbols = lines[5].split()
    symbols[int(rng.integers(len(symbols)))] = "Yb"
    lines[5] = " ".join(symbols)


def _reversed_positions(lines: list[str], rng: Random) -> None:
    lines[8:] = [line for line in lines[8:] if line.strip()][::-1]


def _moved_atom(lines: list[str], rng: Random) -> None:
    i = int(rng.choice([k for k in range(8, len(lines)) if lines[k].strip()]))
    x, y, z = (float(word) for word in lines[i].split()[:3])
    lines[i] = f"{x + 0.1} {y} {z}"


def _cartesian(lines: list[str], rng: Random) -> None:
    lines[7] = "Cartesian"


def _other_dim(text: str, rng: Random) -> tuple[str, str]:
    """Other multiples of the same number of cells, where there are such, or one cell fewer."""
    lines = text.splitlines()
    for i, line in enumerate(lines):
        if line.upper().startswith("DIM"):
            numbers = [int(word) for word in line.split("=")[1].split()]
            diagonal = numbers if len(numbers) == 3 else [numbers[0], numbers[4], numbers[8]]
            times = int(np.prod(diagonal))
            choices = [
                (a, b, times // (a * b))
                for a in range(1, times + 1)
                for b in range(1, times + 1)
                if times % (a * b) == 0 and [a, b, times // (a * b)] != diagonal
            ]
            chosen = choices[int(rng.integers(len(choices)))] if choices else (2, 1, 1)
            lines[i] = f"DIM = {chosen[0]} {chosen[1]} {chosen[2]}"
            return "\n".join(lines) + "\n", lines[i]
    return text, "nothing"


_RYDBERG = units.Rydberg / units.Bohr
#: By name of the file and kind of damage.
DAMAGES: dict[str, dict[str, tuple[Damage, ...]]] = {
    "FORCE_SETS": {
        "sign": (
            _factor("forces", -1.0),
            _factor("forces", -1.0, one=True),
            _factor("displacements", -1.0),
            _factor("displacements", -1.0, one=True),
            _picked("sign of one large component", _negative_component),
            _picked("signs of one atom", _negative_atom),
            _picked("signs of one axis", _negative_axis),
            _characters("sign", _without_sign),
        ),
        "unit": (
            _factor("forces", 1.0 / _RYDBERG),
            _factor("forces", _RYDBERG),
            _factor("forces", units.Bohr / units.Hartree),
            _factor("forces", 1e3),
            _factor("forces", units.mol / units.kJ),
            _factor("displacements", units.Bohr),
            _factor("displacements", 1.0 / units.Bohr),
            _factor("displacements", 0.1),
            _factor("displacements", 10.0),
        ),
        "scale": (
            _factor("forces", 1.02),
            _factor("forces", 2.0),
            _factor("forces", 2.0, one=True),
            _factor("forces", 0.5, one=True),
            _factor("displacements", 2.0, one=True),
            _picked("one force × 10", _tenfold),
        ),
        "order": (
            _picked("all atoms shuffled", _shuffled_atoms),
            _picked("atoms of one supercell shuffled", _shuffled_in_one),
            _picked("atoms reversed", _reversed_atoms),
            _picked("atoms one on", _rolled_atoms),
            _picked("axes one on", _cyclic_axes),
            _picked("x and y of one supercell", _swapped_axes_in_one),
            _picked("two atoms swapped", _swapped_rows),
            _picked("two supercells swapped", _swapped_supercells),
            _picked("forces of the supercell before", _rolled_supercells),
            _lines("two lines swapped", _swapped_lines),
        ),
        "duplicate": (
            _picked("forces of the next supercell", _copied_supercell),
            _picked("force of the atom before", _stuck_row),
            _displaced("a supercell twice", _twice),
            _displaced("a supercell left out", _without),
            _lines("a line twice", _doubled_line),
        ),
        "displacement": (
            _displaced("another atom", _other_atom),
            _displaced(
                "its axes exchanged", lambda sets, s, rng: _other_vector(sets, s, lambda u: np.roll(u, 1))
            ),
            _displaced("it is zero", lambda sets, s, rng: _other_vector(sets, s, lambda u: 0.0 * u)),
            _displaced(
                "turned into (111)",
                lambda sets, s, rng: _other_vector(sets, s, lambda u: np.full(3, np.linalg.norm(u) / 3**0.5)),
            ),
        ),
        "fill": (
            _picked("no force on the displaced atom", _zero_atom),
            _picked("no forces", _zero_supercell),
            _picked("999", _filled_component),
            _picked("half of the atoms without", _missing_half),
            _characters("a word", _replaced("nan")),
            _characters("a word", _replaced("********")),
            _characters("a word", _replaced("0.0000000000")),
        ),
        "noise": (
            _picked("a constant force added", _constant),
            _picked("residual forces not taken away", _residual),
            _picked("30 % of noise", _noise),
            _picked("two decimals", _rounded),
        ),
        "character": (
            _characters("a digit", _other_digit),
            _characters("a point", _moved_point),
            _characters("a comma", _comma),
            _all_commas,
            _flipped_bit,
        ),
        "length": (_cut, _lines("a line lost", _lost_line)),
    },
    "POSCAR": {
        "unit": (_scaled_lattice(units.Bohr), _scaled_lattice(1.0 / units.Bohr), _scaled_lattice(10.0)),
        "scale": (_scaled_lattice(1.02), _scaled_lattice(1.2)),
        "order": (
            _lines("symbols of two elements swapped", _swapped_symbols),
            _lines("atoms reversed", _reversed_positions),
        ),
        "element": (_lines("an element renamed", _renamed),),
        "position": (_lines("an atom moved", _moved_atom), _lines("called Cartesian", _cartesian)),
        "length": (_cut, _lines("a line lost", _lost_line)),
        "character": (
            _characters("a digit", _other_digit),
            _characters("a sign", _without_sign),
            _flipped_bit,
        ),
    },
    "phonopy.conf": {"supercell": (_other_dim,), "length": (_cut,)},
}
