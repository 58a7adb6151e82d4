"""What becomes of damaged files: refused, unchanged, noted, or other numbers without a word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from damage import Damaged

from softmode.crystal import Material
from softmode.datasets import open_reference, reference_notes
from softmode.datasets.plausibility import CHECKS
from softmode.errors import SoftmodeError
from softmode.harmonic import build_phonopy, full_force_constants, reference_force_constants

#: refused: a clear error; noted: other numbers, and a note; silent: other numbers without a word.
Outcome = Literal["refused", "same", "noted", "silent", "crash"]
#: Change of force constants or of the lattice, relative to the largest, that counts as another result.
SAME = 1e-3


@dataclass(frozen=True)
class Attempt:
    """A damaged input, what became of it, what was said, and by how much the result changed."""

    damage: Damaged
    outcome: Outcome
    said: str
    change: float = 0.0


def result(material: Material) -> list[np.ndarray]:
    """What phonons are made of."""
    phonon = build_phonopy(material)
    constants = full_force_constants(phonon, reference_force_constants(phonon, material)).values
    cell = material.unitcell
    return [constants, np.array(cell.lattice), np.array(cell.numbers, dtype=float), np.array(cell.masses)]


def difference(one: list[np.ndarray], other: list[np.ndarray]) -> float:
    """Largest change of two results, relative to the largest number of its kind; infinite of other shapes."""
    if [array.shape for array in one] != [array.shape for array in other]:
        return np.inf
    return max(
        float(np.abs(a - b).max() / np.abs(a).max()) for a, b in zip(one, other, strict=True) if a.size
    )


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    """Whether two results agree."""
    return difference(one, other) <= SAME


def attack(
    folder: Path, files: dict[str, str], damages: Iterable[Damaged], *, checked: bool = True
) -> list[Attempt]:
    """Read each damaged file with the others of its folder.

    Parameters
    ----------
    folder : Path
        Is written to.
    files : dict of str to str
        The files as they should be.
    damages : iterable of Damaged
        One file at a time is damaged.
    checked : bool
        Whether plausibility is asked for; otherwise all its checks are accepted.
    """
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    truth = result(open_reference(folder))
    attempts = []
    for damage in damages:
        (folder / damage.file).write_bytes(damage.text.encode("latin-1"))
        attempts.append(_attempt(folder, damage, truth, () if checked else tuple(CHECKS)))
        (folder / damage.file).write_text(files[damage.file])
    return attempts


def _attempt(folder: Path, damage: Damaged, truth: list[np.ndarray], accept: tuple[str, ...]) -> Attempt:
    try:
        material = open_reference(folder, accept=accept)
        found = result(material)
    except SoftmodeError as error:
        return Attempt(damage, "refused", str(error))
    except Exception as error:  # noqa: BLE001 - what the attack is there to find
        return Attempt(damage, "crash", f"{type(error).__name__}: {error}")
    if same(truth, found):
        return Attempt(damage, "same", "")
    notes = [note for note in reference_notes(material, folder) if "accepted though" not in note]
    return Attempt(damage, "noted" if notes else "silent", "; ".join(notes))


def table(attempts: Iterable[Attempt]) -> str:
    """Outcomes by file and kind of damage."""
    counts: dict[tuple[str, str], Counter[str]] = {}
    for attempt in attempts:
        key = attempt.damage.file, attempt.damage.kind
        counts.setdefault(key, Counter())[attempt.outcome] += 1
    outcomes = ("refused", "same", "noted", "silent", "crash")
    total = sum(counts.values(), Counter())
    rows = [(*key, *(str(count[name]) for name in outcomes)) for key, count in counts.items()]
    rows += [("all", "", *(str(total[name]) for name in outcomes))]
    return "\n".join(
        f"{row[0]:24}{row[1]:14}" + "".join(f"{x:>9}" for x in row[2:])
        for row in [("file", "kind", *outcomes), *rows]
    )
