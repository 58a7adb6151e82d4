"""Nequix: equivariant message passing in JAX, compiled once for the cells of a study and all its models."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from softmode.errors import PotentialError
from softmode.potentials.base import FloatArray, LoopedPotential, PotentialInfo
from softmode.potentials.batching import edges_that_fit, halved_where_needed, passes
from softmode.potentials.calculator import calculator_of
from softmode.potentials.family import (
    FOR_WEIGHTS,
    MATERIALS_PROJECT_ELEMENTS,
    Entry,
    Family,
    KnownAnswer,
    Package,
    SplitFile,
)
from softmode.potentials.nequix_network import (
    Graph,
    Weights,
    energies_and_gradients,
    gradient_changes,
    in_float64,
    read_model,
)
from softmode.potentials.runtime import quiet
from softmode.potentials.weights import cache_root, unreadable

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

#: Blocks of pairs in one turn of the loop over them: on a processor they stay in its cache.
_BLOCKS_AT_ONCE = {"cpu": 16}
_BLOCKS_AT_ONCE_ON_ACCELERATOR = 1024
#: More than what a pass takes for each pair of neighbours: 5472 numbers and their derivatives.
_BYTES_PER_PAIR = 44_000


class NequixPotential(LoopedPotential):
    """Nequix with the weights of one file, on one thread.

    Forces are those of ``NequixCalculator`` but for the rounding of float32. A program is compiled for 16,
    32, 64, … atoms and 4096, 16384, … pairs of neighbours; all models of one architecture share it, also
    after one of them is closed. On a processor configurations are evaluated one by one, so that the digits of
    each do not depend on the others; on an accelerator in passes (:mod:`softmode.potentials.batching`).
    Second derivatives are those of the network in float64, whatever precision forces have.

    Parameters
    ----------
    info : PotentialInfo
        Description; its elements are replaced by those of the file.
    path : Path
        The ``.nqx`` file.
    dtype : {"float32", "float64"}
        Precision of energies and forces: that it was trained in, or a finer one with the same weights.
    device : str
        Where it runs.

    Raises
    ------
    CorruptWeightsError
        If the file cannot be read.
    """

    twice_differentiable = True

    def __init__(
        self, info: PotentialInfo, path: Path, *, dtype: str = "float32", device: str = "cpu"
    ) -> None:
        from ase.data import chemical_symbols

        self._again = partial(NequixPotential, info, path, device=device)
        self.dtype = dtype
        self.device = device
        with quiet():
            self._jax_device = _start_jax(device, info.name)
            import jax

            try:
                with jax.default_device(self._jax_device):
                    self._architecture, self._weights, config = read_model(path)
            except Exception as exc:
                raise unreadable(
                    path,
                    "Nequix",
                    exc,
                    "Check that it is a complete .nqx file, of a version that nequix can read",
                ) from exc
        self.batches = self._jax_device.platform != "cpu"
        memory = (self._jax_device.memory_stats() or {}).get("bytes_limit", np.inf)
        self._most_pairs = edges_that_fit(memory, _BYTES_PER_PAIR)
        numbers = sorted(config["atomic_numbers"])
        self._species = np.zeros(max(numbers) + 1, dtype=np.int32)
        self._species[numbers] = np.arange(len(numbers))
        self.info = replace(info, elements=tuple(chemical_symbols[number] for number in numbers))

    @property
    def precisions(self) -> tuple[str, ...]:
        """Both."""
        return FAMILY.dtypes

    def in_precision(self, dtype: str) -> NequixPotential | None:
        """The weights of the file in another precision."""
        return self._again(dtype=dtype) if dtype in self.precisions else None

    def calculator(self) -> Calculator:
        """An ASE calculator of the same model and compiled programs, with stress."""
        return calculator_of(self._predict)

    def _evaluate_one(self, atoms: Atoms) -> tuple[float, Any]:
        energy, forces, _ = self._predict(atoms)
        return energy, forces

    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[Sequence[float], Sequence[Any]]:
        if not self.batches:
            return super()._evaluate(configurations)
        cells = ((self._graph(atoms), atoms) for atoms in configurations)
        results: list[tuple[float, Any, Any]] = []
        for chosen in passes(cells, lambda cell: len(cell[0].receivers), self._most_pairs):
            results += halved_where_needed(chosen, self._pass, free=lambda: None)
        return [energy for energy, _, _ in results], [forces for _, forces, _ in results]

    def _predict(self, atoms: Atoms) -> tuple[float, Any, Any]:
        """Energy (eV), forces (eV/Å) and stress (eV/Å³; None where it is not periodic) of a configuration."""
        return self._pass([(self._graph(atoms), atoms)])[0]

    def _graph(self, atoms: Atoms, dtype: str | None = None) -> Graph:
        """Neighbours within the cutoff; in float32 vectors are rounded as those of ``nequix``."""
        import matscipy.neighbours
        from ase.geometry import complete_cell

        self.check_elements([atoms])  # a calculator is asked without the checks of evaluate
        receivers, senders, shifts = matscipy.neighbours.neighbour_list(
            "ijS",
            positions=atoms.positions,
            cell=complete_cell(atoms.cell),
            pbc=atoms.pbc,
            cutoff=self._architecture.cutoff,
        )
        kind = np.dtype(dtype or self.dtype)
        positions, lattice = atoms.positions.astype(kind), atoms.cell.array.astype(kind)
        x, y, z = np.split(shifts.astype(kind), 3, axis=1)
        offsets = (x * lattice[0] + y * lattice[1]) + z * lattice[2]
        return Graph(
            self._species[atoms.numbers],
            positions[senders] - positions[receivers] + offsets,
            receivers.astype(np.int32),
            senders.astype(np.int32),
        )

    def _pass(self, cells: Sequence[tuple[Graph, Atoms]]) -> list[tuple[float, Any, Any]]:
        """Energy, forces and stress of each of the configurations, from one pass through the network."""
        graphs = [graph for graph, _ in cells]
        with self._jax(self.dtype) as weights:
            energies, gradients = energies_and_gradients(
                self._architecture, weights, joined(graphs), blocks_at_once=self._blocks_at_once
            )
        energy_parts = np.split(energies, np.cumsum([len(graph.species) for graph in graphs])[:-1])
        gradient_parts = np.split(gradients, np.cumsum([len(graph.receivers) for graph in graphs])[:-1])
        return [
            (float(part.sum()), *forces_and_stress(graph, slopes, atoms))
            for part, slopes, (graph, atoms) in zip(energy_parts, gradient_parts, cells, strict=True)
        ]

    @property
    def _blocks_at_once(self) -> int:
        return _BLOCKS_AT_ONCE.get(self.device, _BLOCKS_AT_ONCE_ON_ACCELERATOR)

    @contextlib.contextmanager
    def _jax(self, dtype: str) -> Iterator[Weights]:
        """JAX on the device and in a precision, and the weights in it."""
        import jax

        with quiet(), jax.default_device(self._jax_device):
            if dtype == "float32":
                yield self._weights
                return
            with jax.enable_x64(True):
                yield self._fine_weights

    @cached_property
    def _fine_weights(self) -> Weights:
        return in_float64(self._weights)

    def _hessian_products(self, atoms: Atoms, directions: FloatArray) -> Any:
        graph = self._graph(atoms, "float64")
        by_pair = directions[:, graph.senders] - directions[:, graph.receivers]
        with self._jax("float64") as weights:
            changes = gradient_changes(
                self._architecture, weights, graph, by_pair, blocks_at_once=self._blocks_at_once
            )
        return np.array([-_by_atom(graph, change) for change in changes])


def joined(graphs: Sequence[Graph]) -> Graph:
    """Graphs as one."""
    starts = np.cumsum([0, *(len(graph.species) for graph in graphs)], dtype=np.int32)
    return Graph(
        np.concatenate([graph.species for graph in graphs]),
        np.concatenate([graph.vectors for graph in graphs]),
        np.concatenate([graph.receivers + start for graph, start in zip(graphs, starts, strict=False)]),
        np.concatenate([graph.senders + start for graph, start in zip(graphs, starts, strict=False)]),
    )


def forces_and_stress(
    graph: Graph, gradients: FloatArray, atoms: Atoms
) -> tuple[FloatArray, FloatArray | None]:
    """Forces (eV/Å) and stress (eV/Å³; None unless periodic in all directions).

    Parameters
    ----------
    graph : Graph
        Of the configuration.
    gradients : (n_pairs, 3) array
        Derivative of the energy by the vector of each pair, eV/Å.
    atoms : ase.Atoms
        The configuration.
    """
    forces = _by_atom(graph, gradients)
    if not atoms.pbc.all():
        return forces, None
    virial = graph.vectors.astype(np.float64).T @ gradients
    return forces, (virial + virial.T) / (2.0 * atoms.cell.volume)


def _by_atom(graph: Graph, gradients: FloatArray) -> FloatArray:
    """Forces on atoms, from the derivatives of the energy by the vectors of pairs."""
    n_atoms = len(graph.species)
    return np.stack(
        [
            np.bincount(graph.receivers, column, n_atoms) - np.bincount(graph.senders, column, n_atoms)
            for column in gradients.T
        ],
        axis=1,
    )


def _start_jax(device: str, subject: str) -> Any:
    """The JAX device of a name of torch's; JAX is started on one thread, with compiled programs kept on disk.

    Raises
    ------
    PotentialError
        If there is no such device.
    """
    # What XLA reads when it starts. A sum split among threads has other last digits, on an accelerator too,
    # and the processors of a study are taken by its workers. An accelerator's memory is shared with others.
    flags = ["--xla_cpu_multi_thread_eigen=false"]
    if device != "cpu":
        flags.append("--xla_gpu_deterministic_ops=true")
        os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    given = os.environ.get("XLA_FLAGS", "")
    os.environ["XLA_FLAGS"] = " ".join([given, *(flag for flag in flags if flag not in given)]).strip()
    import jax

    if jax.config.jax_compilation_cache_dir is None:
        jax.config.update("jax_compilation_cache_dir", str(cache_root() / "jax"))
    kind, _, index = device.partition(":")
    with _one_processor():
        try:
            return jax.devices(kind)[int(index or 0)]
        except (RuntimeError, IndexError) as exc:
            raise PotentialError(
                subject,
                f"device {device} is asked for, but JAX {jax.__version__} has none of that name",
                'Set device = "cpu", or install a build of JAX for the device',
            ) from exc


@contextlib.contextmanager
def _one_processor() -> Iterator[None]:
    """Let XLA see one processor while it makes its pool of threads."""
    before = {name: os.environ.get(name) for name in ("NPROC", "PJRT_NPROC")}
    os.environ.update(dict.fromkeys(before, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


_MODELS = "https://github.com/atomicarchitects/nequix/raw/{}/models/{}.nqx"
_COMMIT_MP = "7c2854de8e754b1a60274c7d9d2e014989ed632e"
_COMMIT_OMAT = "9c852a9c4cce69ae5e75bc5a2cf670be21ff8c28"
_CITE = "Koker, Kotak, Smidt, Training a foundation model for materials on a budget, arXiv:2508.16067"
_CITE_PFT = f"{_CITE}; phonon fine-tuning: arXiv:2601.07742"
#: Trained numbers of each of the published models, which have one architecture.
_PARAMETERS = 707_658
_ANSWERED_BY = "NequixCalculator of nequix 0.4.5 with jax 0.10.2 and e3nn-jax 0.21.0, on a CPU"


def _entry(
    name: str,
    sha256: str,
    training_data: str,
    energy: float,
    forces: tuple[tuple[float, float, float], ...],
    *,
    upstream: str = "",
    notes: str = "",
) -> Entry:
    """A published model; `upstream` is the name of its file where that is another."""
    hessians = "pft" in name
    return Entry(
        name=name,
        elements=MATERIALS_PROJECT_ELEMENTS,
        training_data=training_data,
        level_of_theory="PBE+U",
        licence="MIT",
        citation=_CITE_PFT if hessians else _CITE,
        notes=notes,
        hessians=hessians,
        parameters=_PARAMETERS,
        aliases=(upstream,) if upstream else (),
        url=_MODELS.format(_COMMIT_MP if "-mp-" in name else _COMMIT_OMAT, upstream or name),
        sha256=sha256,
        stored_as=f"nequix/{name}.nqx",
        answer=KnownAnswer(energy, forces, _ANSWERED_BY),
        split=_SPLIT if hessians else None,
    )


#: The crystals of the phonon fine-tuning, by their Materials Project ids.
_SPLIT = SplitFile(
    f"https://github.com/atomicarchitects/nequix/raw/{_COMMIT_MP}/data/pbe_mdr_split.json",
    "86b7f40888a28c75184029e81a0251cab7221cbc32a4d884e21cce342e27b8f9",
    "nequix/pbe_mdr_split.json",
)
_OF_MDR = "fine-tuned on the Hessians of PBE phonons (MDR), many benchmarks' crystals among them"

FAMILY = Family(
    name="Nequix",
    load=lambda resolved: NequixPotential(
        resolved.info, resolved.weights(), dtype=resolved.dtype, device=resolved.settings.device
    ),
    package=Package(
        "nequix",
        "nequix",
        extra="nequix",
        beside=("jax", "jaxlib", "e3nn-jax", "equinox"),
        alone="nequix==0.4.5",
        pins=(
            "jax==0.10.2",
            "equinox==0.13.8",
            "e3nn-jax==0.21.0",
            "jraph==0.0.6.dev0",
            "matscipy==1.3.1",
            "pyyaml>=6",
            "tqdm>=4.67",
        ),
        releases=">=0.4.5,<0.5",
    ),
    dtypes=("float32", "float64"),
    settings=FOR_WEIGHTS,
    repeatable=True,
    suffixes=(".nqx",),
    others="a path to a Nequix .nqx file",
    entries=(
        _entry(
            "nequix-mp-1",
            "1647af8e627e1afa11e2bfadeab0797326513a521afd7dd01606a96f56783eee",
            "MPtrj",
            -17.50317,
            ((-0.05253, -0.29003, 0.02659), (0.14296, -0.16123, 0.02638), (-0.09043, 0.45125, -0.05297)),
        ),
        _entry(
            "nequix-omat-1",
            "2d0802ae7f5915cb488c44d25649d98404a103697e6500abb40f515e003a46a6",
            "OMat24",
            -17.26380,
            ((-0.06226, -0.32312, 0.02938), (0.15009, -0.15989, 0.03214), (-0.08783, 0.48301, -0.06151)),
            notes="pseudopotentials of VASP 54",
        ),
        _entry(
            "nequix-oam-1",
            "6a43475eaeb32a7a049f36c1306d78aa1e7a17e8af37aeda7901c8fec0ca845c",
            "OMat24 + sAlex + MPtrj",
            -17.49093,
            ((-0.06038, -0.31309, 0.03030), (0.14813, -0.16435, 0.03064), (-0.08774, 0.47744, -0.06094)),
        ),
        _entry(
            "nequix-mp-1-pft",
            "a88aeaed71fd447572dc57af21d469207d7737b85a6dbb66f8c38156f175c5f1",
            "MPtrj + MDR phonons",
            -17.50664,
            ((-0.05957, -0.31407, 0.02957), (0.14877, -0.16023, 0.02820), (-0.08920, 0.47429, -0.05777)),
            notes=_OF_MDR,
        ),
        _entry(
            "nequix-mp-1-pft-nocotrain",
            "c191f7208e15f7caf8cc5c1202444652f301fed2f41d85f9a8080af3843ef308",
            "MPtrj, then MDR phonons",
            -17.30962,
            ((-0.06175, -0.31263, 0.02833), (0.15387, -0.17037, 0.03024), (-0.09212, 0.48300, -0.05858)),
            upstream="nequix-mp-1-pft-no-cotrain",
            notes=_OF_MDR,
        ),
        _entry(
            "nequix-oam-1-pft",
            "4ce693d68886512aab50c84ea2400efd68163e11155f7c7babe98e695177e809",
            "OMat24 + sAlex + MPtrj + MDR phonons",
            -17.48609,
            ((-0.06083, -0.31204, 0.03047), (0.14898, -0.16845, 0.03400), (-0.08815, 0.48049, -0.06446)),
            notes=_OF_MDR,
        ),
    ),
)
