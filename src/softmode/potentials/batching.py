"""How many configurations go into one pass of a graph model: one on a processor, many on an accelerator.

A processor gains nothing from more (``docs/scale.md`` has figures), and last digits would depend on what else
is in a pass. On an accelerator passes are filled in the order in which configurations come, up to a number of
edges that follows from the model and the accelerator's memory, not from what else is in it: the same
configurations make the same passes. One that does not fit after all is halved.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from softmode.potentials.base import FloatArray, LoopedPotential
from softmode.potentials.runtime import deterministic, is_out_of_memory

if TYPE_CHECKING:
    from ase import Atoms

Graph = TypeVar("Graph")
Result = TypeVar("Result")

#: More edges in a pass gain little on an H100 (``docs/scale.md``), and take more memory.
MOST_EDGES = 2**16
#: The part of an accelerator's memory that passes are made for; the rest is for models and other processes.
MEMORY_SHARE = 0.5


def edges_that_fit(memory: float, bytes_per_edge: float) -> int:
    """Edges of a pass: a power of two, so that small differences in what was measured do not matter.

    Parameters
    ----------
    memory : float
        Of the accelerator, whether free or not, bytes.
    bytes_per_edge : float
        What a pass takes of it.
    """
    fit = MEMORY_SHARE * memory / max(bytes_per_edge, 1.0)
    return int(min(MOST_EDGES, 2 ** np.floor(np.log2(max(fit, 1.0)))))


def passes(
    graphs: Iterable[Graph],
    size: Callable[[Graph], int],
    most: int,
    alike: Callable[[Graph, Graph], bool] = lambda one, other: True,
) -> Iterator[list[Graph]]:
    """Split graphs, in order, into passes of at most a size (or of one larger graph).

    Parameters
    ----------
    graphs : iterable
        Taken one by one, so that not all are in memory.
    size : callable
        Of a graph: its edges or its atoms.
    most : int
        Size of a pass.
    alike : callable
        Whether two may be in one pass.
    """
    chosen: list[Graph] = []
    total = 0
    for graph in graphs:
        if chosen and (total + size(graph) > most or not alike(chosen[0], graph)):
            yield chosen
            chosen, total = [], 0
        chosen.append(graph)
        total += size(graph)
    if chosen:
        yield chosen


def halved_where_needed(
    graphs: Sequence[Graph],
    run: Callable[[Sequence[Graph]], Sequence[Result]],
    free: Callable[[], None],
) -> list[Result]:
    """Results of one pass, or of its halves where it does not fit into memory.

    Parameters
    ----------
    graphs : sequence
        What goes into the pass.
    run : callable
        Evaluates graphs in one pass: a result for each.
    free : callable
        Gives back the memory that a failed pass has left occupied.
    """
    try:
        return list(run(graphs))
    except Exception as error:
        if len(graphs) == 1 or not is_out_of_memory(error):
            raise
    # outside of the handler: what was raised keeps the arrays of the failed pass alive
    free()
    half = len(graphs) // 2
    return [
        *halved_where_needed(graphs[:half], run, free),
        *halved_where_needed(graphs[half:], run, free),
    ]


class BatchedPotential(LoopedPotential):
    """A torch model: one configuration after the other on a processor, passes of many on an accelerator.

    Subclasses implement :meth:`_graph`, :meth:`_edges`, :meth:`_pass` and :meth:`_twice`, and call
    :meth:`_size_passes` when the model is loaded.
    """

    twice_differentiable = True
    _most: int
    _torch_device: Any

    @abstractmethod
    def _graph(self, atoms: Atoms) -> Any:
        """Graph of a configuration, in the memory of the processor."""

    @abstractmethod
    def _edges(self, graph: Any) -> int:
        """Number of edges of a graph."""

    @abstractmethod
    def _pass(self, graphs: Sequence[Any]) -> list[tuple[float, Any]]:
        """Energy (eV) and forces (eV/Å) of each of the graphs."""

    @abstractmethod
    def _twice(self, atoms: Atoms) -> tuple[Any, Any, Callable[[Any], Any]]:
        """Forces that can be differentiated again, by which tensor, and from that to positions.

        Returns
        -------
        torch.Tensor, torch.Tensor, callable
            Forces (n_atoms, 3), eV/Å; the leaf they were computed from; and what turns a derivative by the
            leaf into one by the positions.
        """

    def _hessian_products(self, atoms: Atoms, directions: FloatArray) -> Any:
        import torch

        # TorchScript would optimise second derivatives for longer than they take
        with deterministic(self._torch_device), torch.jit.optimized_execution(False):
            forces, leaf, by_positions = self._twice(atoms)
            products = []
            for direction in directions:
                along = (forces * torch.as_tensor(direction).to(forces)).sum()
                (slopes,) = torch.autograd.grad(along, leaf, retain_graph=True)
                products.append(-by_positions(slopes).detach().double().cpu().numpy())
        return np.array(products)

    def _size(self, graph: Any) -> int:
        """What a graph counts in a pass."""
        return self._edges(graph)

    def _alike(self, graph: Any, other: Any) -> bool:  # noqa: ARG002
        """Whether two graphs may be in one pass."""
        return True

    def _evaluate_one(self, atoms: Atoms) -> tuple[float, Any]:
        return self._pass([self._graph(atoms)])[0]

    def _size_passes(self, torch_device: Any, most: int | None = None) -> None:
        """Settle how much goes into a pass: what a fixed crystal takes is measured on the accelerator.

        Parameters
        ----------
        torch_device : torch.device
            Where the model is.
        most : int, optional
            Size of a pass, on a processor too; nothing is measured.
        """
        import torch

        self._torch_device = torch_device
        self.batches = torch_device.type != "cpu" or most is not None
        self._most = most or MOST_EDGES // 8
        if torch_device.type != "cuda" or most is not None:
            return
        graph = self._graph(_dense_crystal(self.info.elements[0]))
        for _ in range(2):  # the first makes room for itself beyond what it needs
            torch.cuda.reset_peak_memory_stats(torch_device)
            before = torch.cuda.memory_allocated(torch_device)
            self._run([graph])
            peak = torch.cuda.max_memory_allocated(torch_device) - before
        _, memory = torch.cuda.mem_get_info(torch_device)
        self._most = edges_that_fit(memory, peak / self._edges(graph))

    def _run(self, graphs: Sequence[Any]) -> list[tuple[float, Any]]:
        with deterministic(self._torch_device):
            return self._pass(graphs)

    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[Sequence[float], Sequence[Any]]:
        if not self.batches:
            return super()._evaluate(configurations)
        graphs = (self._graph(atoms) for atoms in configurations)
        results: list[tuple[float, Any]] = []
        for chosen in passes(graphs, self._size, self._most, self._alike):
            results += halved_where_needed(chosen, self._run, _free_torch_memory)
        return [energy for energy, _ in results], [forces for _, forces in results]


def _dense_crystal(element: str) -> Atoms:
    """256 atoms with 54 neighbours within 6 Å each, a dozen of them within 3 Å."""
    from ase.build import bulk

    return bulk(element, "fcc", a=4.0, cubic=True) * (4, 4, 4)


def _free_torch_memory() -> None:
    import torch

    torch.cuda.empty_cache()
