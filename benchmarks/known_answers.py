"""Known answers for the catalogue of potentials: upstream's own calculators on softmode's compound.

Prints, for each potential whose package is installed here, energy (eV) and forces (eV/Å) as they stand in
``Entry.answer``, with the versions. Softmode gives the compound alone; nothing of its potentials is used.

    python benchmarks/known_answers.py ../shared/data/weights [NAME ...]

The folder is laid out as a mirror of weights: those of MACE lie in it, under the names of their files.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from softmode.potentials.answers import compound


def _nequix(folder: Path) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    from nequix.calculator import NequixCalculator

    for path in sorted((folder / "nequix").glob("*.nqx")):
        versions = "nequix jax e3nn-jax"
        yield path.stem, versions, lambda path=path: NequixCalculator(model_path=str(path), use_kernel=False)


def _matgl(folder: Path) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    os.environ["MATGL_BACKEND"] = "PYG"
    import matgl
    from matgl.ext.ase import PESCalculator

    for path in sorted((folder / "matgl").glob("*-PES")):
        versions = "matgl torch torch-geometric"
        yield path.name, versions, lambda path=path: PESCalculator(matgl.load_model(path))


def _mace(folder: Path) -> Iterator[tuple[str, str, Callable[[], Any]]]:
    from mace.calculators import MACECalculator

    # of a model with several heads one must be named, which the catalogue does not
    for path in sorted(each for each in folder.glob("*.model") if not each.stem.startswith("mace-mh")):
        arguments = {"model_paths": str(path), "device": "cpu", "default_dtype": "float64"}
        yield path.stem, "mace-torch torch e3nn", lambda arguments=arguments: MACECalculator(**arguments)


def _sevenn(folder: Path) -> Iterator[tuple[str, str, Callable[[], Any]]]:  # noqa: ARG001
    import torch

    torch.serialization.add_safe_globals([slice])
    from sevenn.calculator import SevenNetCalculator

    for name in ("7net-0", "7net-0_22May2024", "7net-l3i5"):
        yield name, "sevenn torch e3nn", lambda name=name: SevenNetCalculator(name, device="cpu")


def _chgnet(folder: Path) -> Iterator[tuple[str, str, Callable[[], Any]]]:  # noqa: ARG001
    from chgnet.model import CHGNetCalculator

    yield "chgnet", "chgnet torch pymatgen", lambda: CHGNetCalculator(use_device="cpu")


def main() -> None:
    folder, wanted = Path(sys.argv[1]), sys.argv[2:]
    for module, calculators in {
        "nequix": _nequix,
        "matgl": _matgl,
        "mace": _mace,
        "sevenn": _sevenn,
        "chgnet": _chgnet,
    }.items():
        if importlib.util.find_spec(module) is None:
            continue
        for name, distributions, make in calculators(folder):
            if wanted and name not in wanted:
                continue
            atoms = compound()
            atoms.calc = make()
            energy, forces = atoms.get_potential_energy(), atoms.get_forces()
            rows = ", ".join(f"({', '.join(f'{value:.5f}' for value in row)})" for row in forces)
            versions = ", ".join(f"{one} {importlib.metadata.version(one)}" for one in distributions.split())
            print(f"{name}\n  {versions}\n  {float(energy):.5f}, ({rows})", flush=True)


if __name__ == "__main__":
    main()
