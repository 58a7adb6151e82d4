"""SevenNet: equivariant message passing, evaluated one configuration at a time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from softmode.errors import CorruptWeightsError
from softmode.potentials.base import LoopedPotential, PotentialInfo
from softmode.potentials.family import FOR_WEIGHTS, MATERIALS_PROJECT_ELEMENTS, Entry, Family, Package
from softmode.potentials.runtime import allow_e3nn_constants, default_dtype, quiet, torch_device

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

_WARM_UP = 3


class SevenNetPotential(LoopedPotential):
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

            try:
                self._calculator = SevenNetCalculator(str(path), device=target)
            except Exception as exc:
                raise CorruptWeightsError(
                    str(path),
                    f"cannot be read as a SevenNet model ({type(exc).__name__}: {str(exc).splitlines()[:1]})",
                    "Install sevenn again, or give a complete checkpoint",
                ) from exc
        self._warm = False
        elements = tuple(chemical_symbols[number] for number in sorted(self._calculator.type_map))
        self.info = replace(info, elements=elements)

    def calculator(self) -> Calculator:
        """A ``SevenNetCalculator`` on the same model object, for relaxation and molecular dynamics."""
        with quiet():
            from sevenn.calculator import SevenNetCalculator

            return SevenNetCalculator(
                self._calculator.model, file_type="model_instance", device=self._calculator.device
            )

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


FAMILY = Family(
    name="SevenNet",
    load=lambda resolved: SevenNetPotential(
        resolved.info, resolved.weights(), device=resolved.settings.device
    ),
    package=Package("sevenn", "sevenn", extra="sevennet", beside=("torch",)),
    dtypes=("float32",),
    settings=FOR_WEIGHTS,
    entries=(
        Entry(
            name="7net-0",
            elements=MATERIALS_PROJECT_ELEMENTS,
            training_data="MPtrj",
            level_of_theory="PBE+U",
            licence="GPL-3.0",
            citation="Park et al., SevenNet, J. Chem. Theory Comput. 20, 4857 (2024), "
            "doi 10.1021/acs.jctc.4c00190",
            notes="SevenNet-0 of 11 July 2024; float32 only",
            aliases=("sevennet-0", "7net-0-11jul2024", "sevennet-0-11jul2024"),
            packaged="pretrained_potentials/SevenNet_0__11Jul2024/checkpoint_sevennet_0.pth",
        ),
    ),
)
