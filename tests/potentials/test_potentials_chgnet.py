"""The graph that CHGNet works on, beside the one that its own converter makes."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk

pytest.importorskip("chgnet")


def _moved(atoms: Atoms, seed: int = 0) -> Atoms:
    atoms.positions += np.random.default_rng(seed).normal(0.0, 0.1, atoms.positions.shape)
    return atoms


CRYSTALS = {
    "rock salt, thermal": _moved(bulk("MgO", "rocksalt", a=4.2) * (2, 2, 2)),
    "bonds to images of the same atom": bulk("Cu", "fcc", a=3.6),
    "bonds of equal length": bulk("Si", cubic=True),
    "no bond within 3 Å": bulk("NaCl", "rocksalt", a=7.0),
    "no bond": Atoms("H", cell=[20.0] * 3, pbc=True),
    "one bond": Atoms("H2", positions=[[0, 0, 0], [0, 0, 4.0]], cell=[20.0] * 3, pbc=True),
    "three axes": _moved(Atoms("CaF2", positions=3 * np.eye(3), cell=np.eye(3) * 3 + 0.4, pbc=True)),
    "across the boundaries": Atoms(
        "CsCl", scaled_positions=[[-3.2, 0, 4], [0.5, 7.5, 0.4]], cell=[4.1] * 3, pbc=True
    ),
}


@pytest.mark.parametrize("name", CRYSTALS)
def test_same_graph_as_from_the_converter(name: str) -> None:
    import torch
    from chgnet.graph import CrystalGraphConverter
    from pymatgen.io.ase import AseAtomsAdaptor

    from softmode.potentials.chgnet_graph import crystal_graph

    converter = CrystalGraphConverter(on_isolated_atoms="ignore")
    structure = AseAtomsAdaptor.get_structure(CRYSTALS[name])
    theirs, ours = vars(converter(structure)), vars(crystal_graph(converter, structure))
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        if torch.is_tensor(value):
            assert (ours[key].dtype, ours[key].requires_grad) == (value.dtype, value.requires_grad)
            assert torch.equal(ours[key], value), key
        else:
            assert ours[key] == value, key
