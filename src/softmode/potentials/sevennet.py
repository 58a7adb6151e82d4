"""SevenNet: equivariant message passing."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softmode.potentials.base import PotentialInfo
from softmode.potentials.batching import BatchedPotential
from softmode.potentials.family import (
    FOR_WEIGHTS,
    MATERIALS_PROJECT_ELEMENTS,
    Entry,
    Family,
    KnownAnswer,
    Package,
)
from softmode.potentials.runtime import (
    allow_e3nn_constants,
    default_dtype,
    deterministic_calculator,
    load_numbers,
    quiet,
    torch_device,
)
from softmode.potentials.weights import unreadable

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

_WARM_UP = 3


class SevenNetPotential(BatchedPotential):
    """SevenNet with the weights of one checkpoint, in float32 (it has no other precision).

    Parameters
    ----------
    info : PotentialInfo
        Description; its elements are replaced by those of the checkpoint.
    path : Path
        The checkpoint.
    device : str
        Where it runs.

    Raises
    ------
    CorruptWeightsError
        If the file cannot be read.
    """

    def __init__(self, info: PotentialInfo, path: Path, *, device: str = "cpu") -> None:
        from ase.data import chemical_symbols

        self.dtype = "float32"
        self.device = device
        target = torch_device(device, info.name)
        allow_e3nn_constants()
        with quiet(), default_dtype():
            from sevenn.calculator import SevenNetCalculator

            remedy = "Install sevenn again, or give a complete checkpoint"
            load_numbers(path, "SevenNet", remedy)
            try:
                self._calculator = SevenNetCalculator(str(path), device=target)
            except Exception as exc:
                raise unreadable(path, "SevenNet", exc, remedy) from exc
        self._warm = False
        elements = tuple(chemical_symbols[number] for number in sorted(self._calculator.type_map))
        self.info = replace(info, elements=elements)
        self._size_passes(target)

    def calculator(self) -> Calculator:
        """A ``SevenNetCalculator`` on the same model object, for relaxation and molecular dynamics."""
        with quiet():
            from sevenn.calculator import SevenNetCalculator

            calculator = SevenNetCalculator(
                self._calculator.model, file_type="model_instance", device=self._calculator.device
            )
        return deterministic_calculator(calculator, self._torch_device)

    def _evaluate_one(self, atoms: Atoms) -> tuple[float, Any]:
        # Its forces and stress come out of the same derivative with respect to the edges, so that leaving
        # the stress out would save nothing.
        with quiet():
            # TorchScript optimises during the first evaluations of a process, which differ from all later
            # ones in the last bits. Results must not depend on where a run was interrupted; on one thread
            # they do not (on several, sums are added in any order).
            for _ in range(1 if self._warm else 1 + _WARM_UP):
                self._calculator.calculate(atoms)
            self._warm = True
        return self._calculator.results["energy"], self._calculator.results["forces"]

    def _graph(self, atoms: Atoms) -> Any:
        from sevenn.atom_graph_data import AtomGraphData
        from sevenn.train.dataload import unlabeled_atoms_to_graph

        with quiet():
            # a copy: it writes into the cell where a direction is not periodic
            return AtomGraphData.from_numpy_dict(
                unlabeled_atoms_to_graph(atoms.copy(), self._calculator.cutoff)
            )

    def _twice(self, atoms: Atoms) -> tuple[Any, Any, Callable[[Any], Any]]:
        model = self._calculator.model
        graph = self._graph(atoms).to(self._torch_device)
        last = [part for part in model.modules() if type(part).__name__ == "ForceStressOutputFromEdge"]
        with quiet():
            for part in last:  # keeps what second derivatives need; nothing else of the model is in training
                part.train()
            try:
                output = model(graph)
            finally:
                for part in last:
                    part.eval()
        sources, targets = output["edge_index"]
        forces, vectors = output["inferred_force"], output["edge_vec"]

        def by_positions(slopes: Any) -> Any:
            return forces.new_zeros(forces.shape).index_add(0, targets, slopes).index_add(0, sources, -slopes)

        return forces, vectors, by_positions

    def _edges(self, graph: Any) -> int:
        return int(graph["edge_index"].shape[1])

    def _pass(self, graphs: Sequence[Any]) -> list[tuple[float, Any]]:
        from torch_geometric.data import Batch

        model = self._calculator.model
        with quiet():
            batch = Batch.from_data_list(list(graphs)).to(self._torch_device)
            # the calculator, which shares the model, gives it one configuration without a number
            model.set_is_batch_data(True)
            try:
                output = model(batch)
            finally:
                model.set_is_batch_data(False)
        energies = output["inferred_total_energy"].detach().cpu().reshape(-1).tolist()
        forces = output["inferred_force"].detach().cpu().split([graph.num_nodes for graph in graphs])
        return [(energy, force.numpy()) for energy, force in zip(energies, forces, strict=True)]


_CITE = "Park et al., SevenNet, J. Chem. Theory Comput. 20, 4857 (2024), doi 10.1021/acs.jctc.4c00190"
_ANSWERED_BY = "SevenNetCalculator of sevenn 0.10.4 with torch 2.13.0 and e3nn 0.4.4, on a CPU"


def _entry(
    names: str,
    packaged: str,
    notes: str,
    parameters: int,
    energy: float,
    forces: tuple[tuple[float, float, float], ...],
) -> Entry:
    """A checkpoint that sevenn carries, under its own names."""
    name, *aliases = names.split()
    return Entry(
        name=name,
        elements=MATERIALS_PROJECT_ELEMENTS,
        training_data="MPtrj",
        level_of_theory="PBE+U",
        licence="GPL-3.0",
        citation=_CITE,
        notes=f"{notes}; float32 only",
        hessians=False,
        parameters=parameters,
        aliases=tuple(aliases),
        packaged=f"pretrained_potentials/{packaged}.pth",
        answer=KnownAnswer(energy, forces, _ANSWERED_BY),
    )


def _is_checkpoint(name: str) -> bool:
    """Whether a ``.pth`` file holds a model state and settings as sevenn writes them; nothing is run."""
    if not name.lower().endswith(FAMILY.pickled):
        return False
    try:
        with zipfile.ZipFile(Path(name).expanduser()) as archive:
            pickles = [member for member in archive.namelist() if member.endswith("data.pkl")]
            texts = [archive.read(member) for member in pickles]
    except (OSError, zipfile.BadZipFile, RuntimeError):  # RuntimeError: encrypted, or packed in a new way
        return False
    return any(b"model_state_dict" in text and b"_type_map" in text for text in texts)


FAMILY = Family(
    name="SevenNet",
    load=lambda resolved: SevenNetPotential(
        resolved.info, resolved.weights(), device=resolved.settings.device
    ),
    package=Package(
        "sevenn",
        "sevenn",
        extra="sevennet",
        beside=("torch",),
        pins=("sevenn==0.13.0", "e3nn==0.6.0", "torch==2.13.0"),
        releases=">=0.10.4",
    ),
    dtypes=("float32",),
    settings=FOR_WEIGHTS,
    repeatable=True,
    pickled=(".pth",),
    numbers_only=True,
    recognises=_is_checkpoint,
    others="a path to a SevenNet .pth checkpoint",
    entries=(
        _entry(
            "7net-0 sevennet-0 7net-0-11jul2024 sevennet-0-11jul2024 7net-0-11july2024 sevennet-0-11july2024",
            "SevenNet_0__11Jul2024/checkpoint_sevennet_0",
            "SevenNet-0 of 11 July 2024",
            842_623,
            -17.48232,
            ((-0.05545, -0.26497, 0.02003), (0.14951, -0.19106, 0.02735), (-0.09406, 0.45603, -0.04738)),
        ),
        _entry(
            "7net-0_22May2024 sevennet-0-22may2024",
            "SevenNet_0__22May2024/checkpoint_sevennet_0",
            "SevenNet-0 of 22 May 2024, the first",
            842_623,
            -17.49613,
            ((-0.06168, -0.30938, 0.02622), (0.15275, -0.16377, 0.02783), (-0.09107, 0.47315, -0.05404)),
        ),
        _entry(
            "7net-l3i5 sevennet-l3i5",
            "SevenNet_l3i5/checkpoint_l3i5",
            "SevenNet-l3i5: angular momenta to 3, five layers",
            1_171_327,
            -17.48827,
            ((-0.05597, -0.28809, 0.02876), (0.15446, -0.18182, 0.02847), (-0.09849, 0.46991, -0.05724)),
        ),
    ),
)
