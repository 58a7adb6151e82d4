"""MatGL: TensorNet potentials with the PyTorch Geometric backend of the release that they were made with."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softmode.errors import CorruptWeightsError
from softmode.potentials.base import PotentialInfo
from softmode.potentials.batching import BatchedPotential
from softmode.potentials.calculator import calculator_of
from softmode.potentials.family import (
    FOR_WEIGHTS,
    MATERIALS_PROJECT_ELEMENTS,
    Entry,
    Family,
    KnownAnswer,
    Package,
)
from softmode.potentials.runtime import default_dtype, deterministic, load_numbers, quiet, torch_device
from softmode.potentials.weights import unreadable

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

#: What MatGL writes of a model: its class and settings, the same for Python, its weights.
FILES = ("model.json", "model.pt", "state.pt")
#: MatGL gives stresses in GPa.
_GPA_IN_EV_PER_CUBIC_ANGSTROM = 1 / 160.21766208


class MatGLPotential(BatchedPotential):
    """A MatGL potential, in float32 (it is trained in no other precision).

    Parameters
    ----------
    info : PotentialInfo
        Description; its elements are replaced by those of the model.
    folder : Path
        Holds :data:`FILES`.
    device : str
        Where it runs.

    Raises
    ------
    CorruptWeightsError
        If the folder cannot be read, is of another kind of model, or would run more than MatGL.
    """

    def __init__(self, info: PotentialInfo, folder: Path, *, device: str = "cpu") -> None:
        self.dtype = "float32"
        self.device = device
        target = torch_device(device, info.name)
        _refuse_other_models(folder)
        # read once, when matgl is imported; DGL, its other backend, reads other weights
        os.environ["MATGL_BACKEND"] = "PYG"
        with quiet(), default_dtype("float32"):
            from matgl.apps.pes import Potential as MatGLModel
            from matgl.ext._ase_pyg import Atoms2Graph

            remedy = "Check that it is complete, and of a version that matgl can read"
            for name in FILES[1:]:
                _refuse_other_modules(folder / name, load_numbers(folder / name, "MatGL", remedy))
            try:
                model = MatGLModel.load({name: folder / name for name in FILES})
            except Exception as exc:
                raise unreadable(folder, "MatGL", exc, remedy) from exc
            self._with_stress = model.to(target).eval()
            # the same modules and weights; the strain, which forces do not need, is left out
            self._model = copy.copy(self._with_stress)
            self._model.calc_stresses = False
            elements = tuple(str(symbol) for symbol in model.model.element_types)
            self._graph_of = Atoms2Graph(elements, float(model.model.cutoff)).get_graph
        self.info = replace(info, elements=elements)
        self._size_passes(target)

    def calculator(self) -> Calculator:
        """An ASE calculator of the same weights, with stress, for relaxation and molecular dynamics."""
        return calculator_of(lambda atoms: self._predict(self._with_stress, atoms))

    def _evaluate_one(self, atoms: Atoms) -> tuple[float, Any]:
        energy, forces, _ = self._predict(self._model, atoms)
        return energy, forces

    def _graph(self, atoms: Atoms) -> Any:
        """Graph and lattice vectors, Å, as rows."""
        with quiet(), default_dtype("float32"):
            graph, lattice, _ = self._graph_of(atoms)
        return graph, lattice.reshape(3, 3)

    def _twice(self, atoms: Atoms) -> tuple[Any, Any, Callable[[Any], Any]]:
        with quiet(), default_dtype("float32"):
            graph, lattice, state = self._graph_of(atoms)
            graph = graph.to(self._torch_device)
            _, forces, *_ = self._model(graph, lattice.to(self._torch_device), state)
        return forces, graph.pos, lambda slopes: slopes

    def _edges(self, graph: Any) -> int:
        return int(graph[0].edge_index.shape[1])

    def _pass(self, graphs: Sequence[Any]) -> list[tuple[float, Any]]:
        import torch
        from torch_geometric.data import Batch

        with quiet(), default_dtype("float32"):
            batch = Batch.from_data_list([graph for graph, _ in graphs]).to(self._torch_device)
            lattices = torch.stack([lattice for _, lattice in graphs]).to(self._torch_device)
            energies, forces, *_ = self._model(batch, lattices, None)
        ends = [graph.num_nodes for graph, _ in graphs]
        apart = forces.detach().cpu().split(ends)
        return [
            (energy, force.numpy())
            for energy, force in zip(energies.detach().cpu().reshape(-1).tolist(), apart, strict=True)
        ]

    def _predict(self, model: Any, atoms: Atoms) -> tuple[float, Any, Any]:
        """Energy (eV), forces (eV/Å) and, of a model with stress, stress (eV/Å³; zero without)."""
        with quiet(), default_dtype("float32"), deterministic(self._torch_device):
            graph, lattice, state = self._graph_of(atoms)
            energy, forces, stress, *_ = model(
                graph.to(self._torch_device), lattice.to(self._torch_device), state
            )
        return (
            float(energy.detach()),
            forces.detach().cpu().numpy(),
            stress.detach().cpu().numpy() * _GPA_IN_EV_PER_CUBIC_ANGSTROM,
        )


def _refuse_other_models(folder: Path) -> None:
    """Refuse what is no potential of the PyTorch Geometric backend."""
    description = folder / "model.json"
    try:
        content: Mapping[str, Any] = json.loads(description.read_text(encoding="utf-8"))
        kind, module = str(content["@class"]), str(content["@module"])
    except (OSError, ValueError, KeyError, TypeError) as exc:
        raise CorruptWeightsError(
            str(description), "does not describe a MatGL model", f"Give a folder with {', '.join(FILES)}"
        ) from exc
    if kind != "Potential" or "dgl" in module:
        raise CorruptWeightsError(
            str(folder),
            f"holds a {kind} of {module}, not a potential of the PyTorch Geometric backend",
            "Give a folder of such a potential, as the TensorNet ones",
        )


def _refuse_other_modules(path: Path, content: Any) -> None:
    """Refuse settings that name a class of another package: MatGL imports and makes what they name."""
    if isinstance(content, Mapping):
        module = str(content.get("@module", "matgl"))
        if module.partition(".")[0] != "matgl":
            raise CorruptWeightsError(
                str(path),
                f"is not a MatGL model alone: it asks for {module}, and reading it would run that",
                "Give a model as matgl saves it",
            )
    inside = content.values() if isinstance(content, Mapping) else content
    if isinstance(content, Mapping | list | tuple):
        for one in inside:
            _refuse_other_modules(path, one)


def _is_matgl_folder(name: str) -> bool:
    """Whether a name is a folder with the files of a MatGL model."""
    folder = Path(name).expanduser()
    return all((folder / file).is_file() for file in FILES)


_MODELS = "https://github.com/materialsvirtuallab/matgl/raw/e9cde2291acd0b4c4a342428e7dd5e4d596b7bf9/pretrained_models"
_CITE = (
    "Kaplan et al., A foundational potential energy surface dataset for materials, arXiv:2503.04070; "
    "Ko et al., MatGL, npj Comput. Mater. (2025); Simeon, De Fabritiis, TensorNet, NeurIPS (2023)"
)
_ANSWERED_BY = "PESCalculator of matgl 2.0.4 with torch 2.13.0 and torch-geometric 2.8.1, on a CPU"


def _entry(
    functional: str,
    sha256: Mapping[str, str],
    energy: float,
    forces: tuple[tuple[float, float, float], ...],
) -> Entry:
    """TensorNet trained on the MatPES set of a functional."""
    name = f"TensorNet-MatPES-{functional}-v2025.1-PES"
    return Entry(
        name=name,
        elements=MATERIALS_PROJECT_ELEMENTS,
        training_data=f"MatPES-{functional}",
        level_of_theory=functional,
        licence="BSD-3",
        citation=_CITE,
        notes="no +U correction; float32 only; matgl 4.1.2 reads these weights wrongly without a word",
        hessians=False,
        parameters=837_378,
        aliases=(f"TensorNet-MatPES-{functional}", name.removesuffix("-PES")),
        url=f"{_MODELS}/{name}",
        files=sha256,
        stored_as=f"matgl/{name}",
        answer=KnownAnswer(energy, forces, _ANSWERED_BY),
    )


FAMILY = Family(
    name="MatGL",
    load=lambda resolved: MatGLPotential(resolved.info, resolved.weights(), device=resolved.settings.device),
    package=Package(
        "matgl",
        "matgl",
        extra="matgl",
        beside=("torch", "torch-geometric"),
        alone="matgl==2.0.4",
        pins=("torch==2.13.0", "torch-geometric==2.8.1", "pymatgen==2026.10.24", "requests>=2.32"),
        releases="==2.0.4",
    ),
    dtypes=("float32",),
    settings=FOR_WEIGHTS,
    repeatable=True,
    files=FILES,
    pickled=(".pt",),
    numbers_only=True,
    recognises=_is_matgl_folder,
    others="a folder of a MatGL potential",
    entries=(
        _entry(
            "PBE",
            {
                "model.json": "cf7d1db6c89da617245021a8fde16fb79db5bc06f7b6e11ee837f06eb32137d8",
                "model.pt": "1cba95766c872082eec349a7e417a28461aea450b655a0301eec060a985fdd71",
                "state.pt": "d2dfa51a65d23a47fd935eb0628177d2a1088584562091ef3350ce3a002fce6a",
            },
            -17.28943,
            ((-0.06012, -0.31698, 0.03258), (0.14270, -0.12535, 0.01460), (-0.08257, 0.44233, -0.04718)),
        ),
        _entry(
            "r2SCAN",
            {
                "model.json": "408b29cb197ae7ebfb72cff6685745bb112018be983ab23040669a4c7c4b87df",
                "model.pt": "0444e7e9396e1b34be25e33821373c93eedacd214b23d686323e19740495c23d",
                "state.pt": "b1f87297bac09ada6f0e2f41d362d784f894ff0f1f031478187c55ec661b71ba",
            },
            -25.85585,
            ((-0.07110, -0.38315, 0.04390), (0.14785, -0.12775, 0.02343), (-0.07675, 0.51090, -0.06734)),
        ),
    ),
)
