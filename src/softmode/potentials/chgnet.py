"""CHGNet: a graph network with magnetic moments, of which energies and forces are used."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softmode.potentials.base import PotentialInfo
from softmode.potentials.batching import BatchedPotential
from softmode.potentials.chgnet_graph import crystal_graph
from softmode.potentials.family import (
    FOR_WEIGHTS,
    MATERIALS_PROJECT_ELEMENTS,
    Entry,
    Family,
    KnownAnswer,
    Package,
)
from softmode.potentials.runtime import (
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


class CHGNetPotential(BatchedPotential):
    """CHGNet with the weights of one file, in float32 (it has no other precision).

    Parameters
    ----------
    info : PotentialInfo
        Description, with the elements it was trained on.
    path : Path
        The weight file.
    device : str
        Where it runs.

    Raises
    ------
    CorruptWeightsError
        If the file cannot be read.
    """

    def __init__(self, info: PotentialInfo, path: Path, *, device: str = "cpu") -> None:
        self.info = info
        self.dtype = "float32"
        self.device = device
        target = torch_device(device, info.name)
        with quiet(), default_dtype():
            from chgnet.model.model import CHGNet

            remedy = "Install chgnet again, or give a complete weight file"
            state = load_numbers(path, "CHGNet", remedy)
            try:
                model = CHGNet.from_dict(state["model"], mlp_out_bias=False)
            except Exception as exc:
                raise unreadable(path, "CHGNet", exc, remedy) from exc
            self.model = model.to(target).eval()
            # An isolated atom is a fact about the structure, not a reason to write to the terminal.
            self.model.graph_converter.set_isolated_atom_response("ignore")
        self._size_passes(target)

    def calculator(self) -> Calculator:
        """A ``CHGNetCalculator`` on the same model object, for relaxation and molecular dynamics."""
        with quiet():
            from chgnet.model.dynamics import CHGNetCalculator

            calculator = CHGNetCalculator(self.model, use_device=self.device, on_isolated_atoms="ignore")
        return deterministic_calculator(calculator, self._torch_device)

    def _graph(self, atoms: Atoms) -> Any:
        from ase import Atoms
        from pymatgen.io.ase import AseAtomsAdaptor

        bare = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
        with quiet():
            return crystal_graph(self.model.graph_converter, AseAtomsAdaptor.get_structure(bare))

    def _twice(self, atoms: Atoms) -> tuple[Any, Any, Callable[[Any], Any]]:
        import torch

        graph = self._graph(atoms).to(self.device)
        with quiet():
            (forces,) = self.model([graph], task="ef")["f"]
        inverse = torch.linalg.inv(graph.lattice.detach())
        # positions are fractional coordinates times the lattice, and so are derivatives by these, transposed
        return forces, graph.atom_frac_coord, lambda slopes: slopes @ inverse.T

    def _edges(self, graph: Any) -> int:
        return len(graph.atom_graph)

    def _pass(self, graphs: Sequence[Any]) -> list[tuple[float, Any]]:
        with quiet():
            # Task "ef" leaves out stress and magnetic moments.
            found = self.model.predict_graph(list(graphs), task="ef", batch_size=len(graphs))
        predictions = found if len(graphs) > 1 else [found]
        per_atom = [len(graph.atomic_number) if self.model.is_intensive else 1 for graph in graphs]
        return [
            (float(each["e"]) * number, each["f"]) for each, number in zip(predictions, per_atom, strict=True)
        ]


FAMILY = Family(
    name="CHGNet",
    load=lambda found: CHGNetPotential(found.info, found.weights(), device=found.settings.device),
    package=Package(
        "chgnet", "chgnet", extra="chgnet", beside=("torch",), pins=("chgnet==0.4.2", "torch==2.13.0")
    ),
    dtypes=("float32",),
    settings=FOR_WEIGHTS,
    pickled=(".tar", ".pth", ".pt"),
    numbers_only=True,
    repeatable=True,
    entries=(
        Entry(
            name="chgnet",
            elements=MATERIALS_PROJECT_ELEMENTS,
            training_data="MPtrj",
            level_of_theory="PBE+U",
            licence="Modified BSD licence (BSD)",
            citation="Deng et al., CHGNet, Nat. Mach. Intell. 5, 1031 (2023), doi 10.1038/s42256-023-00716-3",
            notes="CHGNet 0.3.0; float32 only, forces noisy at small displacements",
            hessians=False,
            parameters=412_525,
            aliases=("chgnet-0.3.0", "chgnet-v0.3.0"),
            packaged="pretrained/0.3.0/chgnet_0.3.0_e29f68s314m37.pth.tar",
            answer=KnownAnswer(
                -18.38277,
                ((-0.06062, -0.29719, 0.02235), (0.14731, -0.15255, 0.03628), (-0.08668, 0.44974, -0.05863)),
                "CHGNetCalculator of chgnet 0.4.2 with torch 2.13.0 and pymatgen 2026.10.24, on a CPU",
            ),
        ),
    ),
)
