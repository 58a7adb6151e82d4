"""Damaged FORCE_SETS, POSCAR and phonopy.conf: no crash, one line of error, and hardly anything silent."""

from __future__ import annotations

import io

import numpy as np
import pytest
from ase.io import write
from damage import DAMAGES, Damaged, ForceSets, damaged
from readers import Attempt, attack, table

from softmode.crystal import DisplacementForces, Material

#: What data alone cannot show (docs/datasets.md), by file and kind: with the words of the description.
INVISIBLE = {
    ("POSCAR", "scale"): ("lattice × 1.02", "lattice × 1.2"),
    ("POSCAR", "order"): ("symbols of two elements swapped",),
    ("POSCAR", "element"): ("an element renamed",),
    ("FORCE_SETS", "unit"): ("displacements × 0.5292", "displacements × 1.89"),
    ("FORCE_SETS", "scale"): ("forces × 1.02", "forces × 2"),
}


def victim(material: Material) -> dict[str, str]:
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


@pytest.fixture(scope="module")
def attempts(example: Material, tmp_path_factory: pytest.TempPathFactory) -> list[Attempt]:
    files = victim(example)
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
    files = victim(example)
    first, again, other = (list(damaged(files, seed)) for seed in (1, 1, 2))
    assert first == again
    assert first != other
    assert {one.file for one in first} == set(DAMAGES)
