"""A run that looks like the paper's: compounds of the stand-in database, two potentials under its labels."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hdp_potential import VARIANTS, Compound
from hdp_standin import FOLDERS, Truth, make_truth, write_compound
from tiny_study import FACTORIES, QUICK, run_tiny

from softmode.study.folder import Study, reopen_study
from softmode.study.settings import parse_study

#: Four chlorides, the first of them the paper's best, and one or two of each other halide.
COMPOUNDS = (
    Compound("Cs", "K", "Dy", "Cl"),
    Compound("Rb", "Na", "In", "Cl"),
    Compound("Cs", "Ag", "Bi", "Cl"),
    Compound("Tl", "Cu", "Sc", "Cl"),
    Compound("K", "Na", "Al", "F"),
    Compound("Cs", "Na", "Y", "F"),
    Compound("Cs", "Na", "Y", "Br"),
    Compound("Cs", "Na", "Sc", "I"),
)
BEST, WORST, OTHER = "omat-0-medium", "matpes-pbe-omat-ft", "my own"


def potential(label: str, variant: str, **more: Any) -> dict[str, Any]:
    """Entry of ``[[potential]]``."""
    return {"name": "hdp_potential:cheap", "label": label, "kwargs": VARIANTS[variant], **more}


@dataclass(frozen=True, eq=False)
class PaperRun:
    """The run, and the truth about its compounds by name of the material."""

    study: Study
    truths: dict[str, Truth]

    def changed(self, folder: Path, change: Callable[[dict[str, Any]], None]) -> Study:
        """The same run as another study file would have made it: its settings changed, its records shared."""
        folder.mkdir(parents=True)
        settings = json.loads((self.study.folder / "study.json").read_text())
        change(settings)
        labels = [entry["label"] for entry in settings["potential"]]
        digests = list(json.loads((self.study.folder / "potentials.json").read_text()).values())
        (folder / "study.json").write_text(json.dumps(settings))
        (folder / "potentials.json").write_text(json.dumps(dict(zip(labels, digests, strict=False))))
        (folder / "materials.json").write_bytes((self.study.folder / "materials.json").read_bytes())
        (folder / "records").symlink_to((self.study.folder / "records").resolve())
        return reopen_study(folder)


def paper_run(root: Path) -> PaperRun:
    """Make and run the study; the potentials stand in the wrong order, one is none of the paper's."""
    truths = {}
    for compound in COMPOUNDS:
        truth = make_truth(compound, (3, 3))
        write_compound(root / "tree" / FOLDERS[compound.x] / truth.uid, truth)
        truths[truth.uid] = truth
    settings = parse_study(
        {
            "name": "Stand-in",
            "output": str(root / "run"),
            "measurements": ["harmonic", "sigma"],
            "dataset": {"kind": "hdp", "path": str(root / "tree"), "options": {"skip": 0}},
            "potential": [
                potential(OTHER, "soft", measurements=["harmonic"]),
                potential(BEST, "close"),
                potential(WORST, "blunt"),
            ],
            "protocol": {"name": "yang2026", **QUICK},
            "run": {"executor": f"{FACTORIES}:one_thread"},
        },
        "standin.toml",
    )
    study, _ = run_tiny(settings)
    return PaperRun(reopen_study(study.folder), truths)
