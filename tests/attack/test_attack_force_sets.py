"""Damaged FORCE_SETS, POSCAR and phonopy.conf: no crash, one line of error, and hardly anything silent."""

from __future__ import annotations

import pytest
from damage import DAMAGES, Damaged, damaged
from readers import Attempt, attack, table
from victims import phonopy_files

from softmode.crystal import Material

#: What data alone cannot show (docs/datasets.md), by file and kind: with the words of the description.
INVISIBLE = {
    ("POSCAR", "scale"): ("lattice × 1.02", "lattice × 1.2"),
    ("POSCAR", "order"): ("symbols of two elements swapped",),
    ("POSCAR", "element"): ("an element renamed",),
    ("FORCE_SETS", "unit"): ("displacements × 0.5292", "displacements × 1.89"),
    ("FORCE_SETS", "scale"): ("forces × 1.02", "forces × 2"),
}


@pytest.fixture(scope="module")
def attempts(example: Material, tmp_path_factory: pytest.TempPathFactory) -> list[Attempt]:
    files = phonopy_files(example)
    return attack(tmp_path_factory.mktemp("attack") / "material", files, damaged(files, seed=2026))


def listed(damage: Damaged) -> bool:
    return damage.description in INVISIBLE.get((damage.file, damage.kind), ())


def test_nothing_crashes_and_every_error_is_one_line_that_names_the_file(attempts: list[Attempt]) -> None:
    assert not [attempt for attempt in attempts if attempt.outcome == "crash"], table(attempts)
    refused = [attempt for attempt in attempts if attempt.outcome == "refused"]
    assert len(refused) > len(attempts) / 2
    for attempt in refused:
        assert "\n" not in attempt.said
        assert "material" in attempt.said or "displaced supercells" in attempt.said, attempt.said


def test_what_is_silently_different_is_on_the_list_of_what_cannot_be_seen(attempts: list[Attempt]) -> None:
    silent = [attempt.damage for attempt in attempts if attempt.outcome == "silent"]
    beyond = [damage for damage in silent if not listed(damage)]
    assert len(beyond) <= 0.02 * len(attempts), [damage.description for damage in beyond]


def test_the_same_seed_gives_the_same_damage(example: Material) -> None:
    files = phonopy_files(example)
    first, again, other = (list(damaged(files, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert {one.file for one in first} == set(DAMAGES)
