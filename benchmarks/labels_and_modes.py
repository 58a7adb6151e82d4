"""Does DFT find imaginary modes where the published σ is small? Labels beside the phonon database.

    python benchmarks/labels_and_modes.py RUN LABELS.csv OUT.csv

RUN is the folder of a study of the phonon database (``examples/phonondb.toml``). Of its halide double
perovskites that have a label the lowest frequency on path and mesh by DFT and by each potential goes into
OUT.csv; printed is how many are imaginary by DFT in each class, and on how many a potential agrees.
"""

from __future__ import annotations

import sys
from pathlib import Path

from softmode.anharmonic.classes import classify
from softmode.structures.labels import read_labels
from softmode.study.folder import reopen_study
from softmode.study.results import OK, cell_table

TOLERANCE = -0.1  # THz; the sign of less is not known


def main(run: Path, labels_file: Path, out: Path) -> None:
    """Write the table and print the counts."""
    labels, cells = read_labels(labels_file), cell_table(reopen_study(run))
    cells = cells[(cells["prototype"] == "halide_double_perovskite") & (cells["harmonic_state"] == OK)]
    found = {formula: labels.find(formula) for formula in cells["formula"].unique()}
    known = cells[[found[formula] is not None for formula in cells["formula"]]]
    lowest = {
        side: known[[f"{where}_lowest_{side}_THz" for where in ("path", "mesh")]].astype(float).min(axis=1)
        for side in ("reference", "model")
    }
    rows = known[["formula", "potential"]].assign(reference=lowest["reference"], model=lowest["model"])
    table = rows.pivot(index="formula", columns="potential", values="model")
    table.insert(0, "DFT", rows.groupby("formula")["reference"].first())
    sigmas = {formula: label.sigma for formula, label in found.items() if label is not None}
    table.insert(0, "label", [sigmas[formula] for formula in table.index])
    table = table.sort_values("label")
    table.to_csv(out, float_format="%.3f")
    imaginary = table.drop(columns="label") < TOLERANCE
    counted = imaginary["DFT"].groupby(table["label"].map(classify), sort=False)
    print(counted.agg(imaginary_by_DFT="sum", n="size"))
    for name in imaginary.columns[1:]:
        there = table[name].notna()
        agree = (imaginary[name] == imaginary["DFT"])[there]
        print(f"{name}: agrees with DFT on {agree.sum()} of {len(agree)}")


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:]))
