"""Damaged inputs of every reader: no crash, one line of error with the file, and hardly anything silent.

`make attack` attacks with many times as many and prints what became of them (docs/datasets.md).
"""

from __future__ import annotations

import sys
from itertools import islice
from pathlib import Path

import pytest
from damage import DAMAGES, damaged
from readers import Attempt, attack, table
from test_attack_force_sets import listed as listed_of_sets
from victims import Victim, attack_reader, phonopy_files, victims

from softmode.crystal import Material
from softmode.datasets import open_dataset

#: What data alone cannot show (docs/datasets.md), by file and kind, with words of the description.
INVISIBLE = {
    ("BORN", "name"): ("gone", "a folder"),
    ("BORN", "line"): ("two lines swapped",),
    ("FORCE_CONSTANTS", "scale"): ("× 2",),
    ("force_constants.hdf5", "scale"): ("× 2",),
    **{
        (name, kind): words
        for name in ("vasprun.xml", "run.extxyz", "run.traj", "trajectory.nc")
        for kind, words in (("scale", ("forces × 2",)), ("position", ("an atom moved by 1.5 Å",)))
    },
}
#: Of these, what is left of a damaged file is a good one that says something else: rows, digits, settings.
OTHER_CONTENT = ("labels.csv", "study.toml")
#: Kinds that change a single entry, and how much of the largest it may change unseen.
ONE_ENTRY, SMALL = ("character", "bit", "fill"), 0.1


def listed(attempt: Attempt) -> bool:
    damage = attempt.damage
    if damage.file in DAMAGES:
        return listed_of_sets(damage)
    return (
        damage.file in OTHER_CONTENT
        or damage.description in INVISIBLE.get((damage.file, damage.kind), ())
        or (damage.kind in ONE_ENTRY and attempt.change < SMALL)
    )


def all_victims(example: Material) -> tuple[Victim, ...]:
    return victims(example, open_dataset("example").entries()[0].load_trajectory())


def check(attempts: list[Attempt], folder: Path) -> None:
    said = table(attempts)
    assert not [attempt for attempt in attempts if attempt.outcome == "crash"], said
    beyond = [one.damage for one in attempts if one.outcome == "silent" and not listed(one)]
    shown = [(one.file, one.kind, one.description) for one in beyond]
    assert len(beyond) <= 0.02 * len(attempts), f"{said}\n{shown}"
    for attempt in attempts:
        if attempt.outcome == "refused":
            assert attempt.said.isprintable(), attempt.said
            named = (attempt.damage.file, folder.name, "displaced supercells")  # the last: of what was read
            assert any(name in attempt.said for name in named), attempt.said


def test_no_reader_crashes_or_is_silent(example: Material, tmp_path: Path) -> None:
    attempts: list[Attempt] = []
    for number, victim in enumerate(all_victims(example)):
        some = islice(victim.damages(seed=number), number % 11, None, 11)
        attempts += attack_reader(victim, tmp_path / victim.name, some)
    assert len(attempts) > 40
    check(attempts, tmp_path)


def test_the_same_seed_gives_the_same_damage_of_bytes(example: Material) -> None:
    victim = next(one for one in all_victims(example) if one.name == "labels.csv")
    first, again, other = (list(victim.damages(seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other


@pytest.mark.slow
def test_the_whole_attack(example: Material, tmp_path: Path) -> None:
    files = phonopy_files(example)
    attempts = attack(tmp_path / "sets", files, damaged(files, seed=2026, rounds=4))
    for victim in all_victims(example):
        attempts += attack_reader(victim, tmp_path / victim.name, victim.damages(seed=2026, rounds=4))
    silent = [one for one in attempts if one.outcome == "silent"]
    beyond = [one for one in silent if not listed(one)]
    lines = [table(attempts), f"{len(attempts)} inputs, {len(silent)} silent, {len(beyond)} not listed"]
    lines += [f"  {one.damage.file}, {one.damage.kind}: {one.damage.description}" for one in beyond]
    sys.stdout.write("\n" + "\n".join(lines) + "\n")
    assert len(attempts) > 400
    check(attempts, tmp_path)
