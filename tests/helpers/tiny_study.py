"""Studies small enough for tests: fcc metals whose reference forces are EMT's own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT
from phonopy import Phonopy
from phonopy.file_IO import write_FORCE_SETS
from phonopy.interface.calculator import write_crystal_structure
from phonopy.structure.atoms import PhonopyAtoms

from softmode.study.folder import Study, open_study
from softmode.study.run import RunReport, run_study
from softmode.study.settings import StudySettings, parse_study

METALS = ("Al", "Au", "Cu")
FACTORIES = "softmode_test_factories"
EMT_NAME = "ase.calculators.emt:EMT"
QUICK = {"points_per_segment": 5, "mesh_length": 8.0}
HELPERS = Path(__file__).resolve().parent


def metal_phonopy(name: str) -> Phonopy:
    """phonopy's view of an fcc metal, or of an alloy (``CuAu``, B2); 2x2x2 primitive cells."""
    alloy = sum(letter.isupper() for letter in name) == 2
    atoms = bulk(name, "cesiumchloride", a=3.15) if alloy else bulk(name, "fcc")
    unitcell = PhonopyAtoms(
        cell=atoms.cell.array,
        scaled_positions=atoms.get_scaled_positions(),
        symbols=atoms.get_chemical_symbols(),
    )
    return Phonopy(unitcell, supercell_matrix=np.diag([2, 2, 2]), primitive_matrix="P", log_level=0)


def write_metal(folder: Path, symbol: str, force: float = 1.0) -> Path:
    """Phonopy files of :func:`metal_phonopy`; forces are those of EMT times `force`."""
    folder.mkdir(parents=True)
    phonon = metal_phonopy(symbol)
    phonon.generate_displacements(distance=0.01)
    forces = []
    for cell in phonon.supercells_with_displacements:
        displaced = Atoms(cell.symbols, positions=cell.positions, cell=cell.cell, pbc=True)
        displaced.calc = EMT()
        forces.append(force * displaced.get_forces())
    phonon.forces = np.array(forces)
    write_crystal_structure(folder / "POSCAR", phonon.unitcell)
    write_FORCE_SETS(phonon.dataset, filename=folder / "FORCE_SETS")
    (folder / "phonopy.conf").write_text("DIM = 2 2 2\nPRIMITIVE_AXES = P\n")
    return folder


def factory(name: str, label: str | None = None, **kwargs: Any) -> dict[str, Any]:
    """Entry of ``[[potential]]`` for a calculator of the tests."""
    return {"name": f"{FACTORIES}:{name}", "label": label or name, "kwargs": kwargs}


def emt(label: str = "emt", **more: Any) -> dict[str, Any]:
    """Entry of ``[[potential]]`` for EMT itself."""
    return {"name": EMT_NAME, "label": label, **more}


def tiny_study(
    dataset: Path,
    output: Path,
    *potentials: dict[str, Any],
    protocol: dict[str, Any] | None = None,
    run: dict[str, Any] | None = None,
    ids: Sequence[str] = (),
    options: dict[str, Any] | None = None,
    **more: Any,
) -> StudySettings:
    """Settings of a study on fcc metals; runs in this process unless `run` says otherwise."""
    content = {
        "name": "tiny",
        "output": str(output),
        "dataset": {
            "kind": "phonopy",
            "path": str(dataset),
            "select": {"ids": list(ids)},
            "options": options or {},
        },
        "potential": list(potentials) or [emt()],
        "protocol": {**QUICK, **(protocol or {})},
        "run": run if run is not None else {"executor": f"{FACTORIES}:one_thread"},
        **more,
    }
    return parse_study(content, "tiny.toml")


def run_tiny(settings: StudySettings) -> tuple[Study, RunReport]:
    """Open and run a study."""
    study = open_study(settings)
    return study, run_study(study)


def record_contents(study: Study) -> dict[str, tuple[Any, dict[str, Any]]]:
    """What every record holds, by key, without when and how fast it was made."""
    contents = {}
    for path in sorted(study.store.root.glob("*/*.h5")):
        record = study.store.read(path.stem)
        contents[path.stem] = (dict(record.values), {k: v.tolist() for k, v in record.arrays.items()})
    return contents


def record_times(study: Study) -> dict[str, int]:
    """When every record file was last written (ns)."""
    return {path.stem: path.stat().st_mtime_ns for path in study.store.root.glob("*/*.h5")}


def study_toml(path: Path, settings: StudySettings) -> Path:
    """Write the study file of `settings` that a person would have written."""

    def value(item: Any) -> str:
        if isinstance(item, bool):
            return str(item).lower()
        if isinstance(item, dict):
            return "{" + ", ".join(f"{key} = {value(part)}" for key, part in item.items()) + "}"
        if isinstance(item, (list, tuple)):
            return "[" + ", ".join(value(part) for part in item) + "]"
        return repr(item) if isinstance(item, (int, float)) else '"' + str(item).replace("\\", "\\\\") + '"'

    def given(item: Any) -> Any:
        """Without what is not given, for which TOML has no word."""
        if isinstance(item, dict):
            return {key: given(part) for key, part in item.items() if part is not None}
        return [given(part) for part in item] if isinstance(item, list) else item

    content = given(settings.content())
    plain = {key: item for key, item in content.items() if key != "potential" and not isinstance(item, dict)}
    lines = [f"{key} = {value(item)}" for key, item in plain.items()]
    for key, item in content.items():
        if isinstance(item, dict):
            lines += [f"[{key}]", *[f"{name} = {value(part)}" for name, part in item.items()]]
    for item in content["potential"]:
        lines += ["[[potential]]", *[f"{name} = {value(part)}" for name, part in item.items()]]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
