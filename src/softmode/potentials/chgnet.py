"""CHGNet: a graph network with magnetic moments, of which energies and forces are used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ase import Atoms
from ase.calculators.calculator import Calculator

from softmode.errors import CorruptWeightsError
from softmode.potentials.base import LoopedPotential, PotentialInfo
from softmode.potentials.catalog import Family
from softmode.potentials.runtime import default_dtype, quiet, require_package, torch_device


class CHGNetPotential(LoopedPotential):
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
    MissingDependencyError
        If chgnet is not installed.
    CorruptWeightsError
        If the file cannot be read.
    """

    def __init__(self, info: PotentialInfo, path: Path, *, device: str = "cpu") -> None:
        require_package(Family.CHGNET, info.name)
        self.info = info
        self.dtype = "float32"
        self.device = device
        target = torch_device(device, info.name)
        with quiet(), default_dtype():
            from chgnet.model.model import CHGNet

            try:
                model = CHGNet.from_file(str(path), mlp_out_bias=False)
            except Exception as exc:
                raise CorruptWeightsError(
                    str(path),
                    f"cannot be read as a CHGNet model ({type(exc).__name__}: {str(exc).splitlines()[:1]})",
                    "Install chgnet again, or give a complete weight file",
                ) from exc
            self.model = model.to(target).eval()
            # An isolated atom is a fact about the structure, not a reason to write to the terminal.
            self.model.graph_converter.set_isolated_atom_response("ignore")

    def calculator(self) -> Calculator:
        """A ``CHGNetCalculator`` on the same model object, for relaxation and molecular dynamics."""
        with quiet():
            from chgnet.model.dynamics import CHGNetCalculator

            return CHGNetCalculator(self.model, use_device=self.device, on_isolated_atoms="ignore")

    def _evaluate_one(self, atoms: Atoms) -> tuple[float, Any]:
        from pymatgen.io.ase import AseAtomsAdaptor

        bare = Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True)
        with quiet():
            graph = self.model.graph_converter(AseAtomsAdaptor.get_structure(bare))
            # Task "ef" leaves out stress and magnetic moments.
            prediction = self.model.predict_graph(graph, task="ef")
        per_atom = len(atoms) if self.model.is_intensive else 1
        return float(prediction["e"]) * per_atom, prediction["f"]
