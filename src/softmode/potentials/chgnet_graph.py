"""The graph that CHGNet works on, made with arrays: the same numbers in the same order as by its converter.

CHGNet's converter makes an object of every bond, which takes a sixth of an evaluation on a processor and more
than all of it on an accelerator.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


def crystal_graph(converter: Any, structure: Any) -> Any:
    """Graph of a structure.

    Parameters
    ----------
    converter : chgnet.graph.CrystalGraphConverter
        Whose cutoffs count; its answer to isolated atoms is taken to be ``ignore``.
    structure : pymatgen.core.Structure
        Periodic.

    Returns
    -------
    chgnet.graph.CrystalGraph
        Equal to ``converter(structure)``, made by that where bonds have no counterpart or there are none.
    """
    import torch
    from chgnet.graph import CrystalGraph

    center, neighbour, image, distance = structure.get_neighbor_list(
        r=converter.atom_graph_cutoff, sites=structure.sites, numerical_tol=1e-8
    )
    backwards = _backwards(len(structure), center, neighbour, image)
    if backwards is None:
        return converter(structure)
    undirected, first = _undirected(backwards)
    angles = _angles(center, neighbour, distance, backwards, first, converter.bond_graph_cutoff)
    bond_graph = np.column_stack(
        [center[angles[0]], undirected[angles[0]], angles[0], undirected[angles[1]], angles[1]]
    )

    def indices(values: IntArray) -> Any:
        return torch.tensor(values, dtype=torch.int32)

    return CrystalGraph(
        atomic_number=indices(np.array([site.specie.Z for site in structure])),
        atom_frac_coord=torch.tensor(structure.frac_coords, dtype=torch.float32, requires_grad=True),
        atom_graph=indices(np.column_stack([center, neighbour])),
        neighbor_image=torch.tensor(image, dtype=torch.float32),
        directed2undirected=indices(undirected),
        undirected2directed=indices(first),
        bond_graph=indices(bond_graph) if len(bond_graph) else indices(np.empty(0, dtype=np.int64)),
        lattice=torch.tensor(structure.lattice.matrix, dtype=torch.float32, requires_grad=True),
        composition=structure.composition.formula,
        atom_graph_cutoff=converter.atom_graph_cutoff,
        bond_graph_cutoff=converter.bond_graph_cutoff,
    )


def _backwards(n_atoms: int, center: IntArray, neighbour: IntArray, image: IntArray) -> IntArray | None:
    """For each bond the number of the same one from its other end; None where one has none, or none is."""
    if len(center) == 0:
        return None
    images = np.asarray(image, dtype=np.int64)
    reach = int(np.abs(images).max())
    shape = (n_atoms, n_atoms, *3 * (2 * reach + 1,))
    forth = np.ravel_multi_index((center, neighbour, *(images + reach).T), shape)
    back = np.ravel_multi_index((neighbour, center, *(reach - images).T), shape)
    order = np.argsort(forth)
    place = np.minimum(np.searchsorted(forth[order], back), len(order) - 1)
    found = order[place]
    return found if np.array_equal(forth[found], back) else None


def _undirected(backwards: IntArray) -> tuple[IntArray, IntArray]:
    """Number of the undirected bond of each directed one, in order of appearance, and the first of each."""
    bonds = np.arange(len(backwards))
    first = np.flatnonzero(bonds < backwards)
    number = np.empty(len(backwards), dtype=np.int64)
    number[first] = np.arange(len(first))
    number[backwards[first]] = np.arange(len(first))
    return number, first


def _angles(
    center: IntArray,
    neighbour: IntArray,
    distance: NDArray[np.float64],
    backwards: IntArray,
    first: IntArray,
    cutoff: float,
) -> tuple[IntArray, IntArray]:
    """Pairs of short bonds of one atom: for each bond, both ways, all others of the atom it starts from.

    Those stand by the neighbour they lead to, in the order in which neighbours appear.
    """
    _, appears, group = np.unique(
        center * (neighbour.max() + 1) + neighbour, return_index=True, return_inverse=True
    )
    short = np.flatnonzero(distance < cutoff)
    short = short[np.lexsort((short, appears[group[short]], center[short]))]
    n_atoms = int(center.max()) + 1
    counts = np.bincount(center[short], minlength=n_atoms)
    starts = np.cumsum(counts) - counts
    chosen = first[distance[first] <= cutoff]
    one = np.column_stack([chosen, backwards[chosen]]).ravel()
    repeats = counts[center[one]]
    ones = np.repeat(one, repeats)
    offset = np.arange(len(ones)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
    others = short[np.repeat(starts[center[one]], repeats) + offset]
    differ = ones != others
    return ones[differ], others[differ]
