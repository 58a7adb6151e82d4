"""How errors converge with the density of q-points where a branch crosses zero: velocities do not, slopes do.

    python benchmarks/slope_convergence.py ../shared/data/phonondb                   # as in docs/harmonic.md
    python benchmarks/slope_convergence.py FOLDER --potential chgnet --materials mp-989536

Force constants are made once for each material, under protocol `default`. Prints rows of Markdown tables:
heads are q-points per segment of the path, and divisions of the mesh along the first reciprocal vector.
"""

from __future__ import annotations

import argparse

from softmode import harmonic as hm
from softmode.crystal import DisplacementForces
from softmode.datasets import open_dataset
from softmode.datasets.base import Selection
from softmode.measurements.conditions import Conditions
from softmode.measurements.measure import measure
from softmode.potentials import resolve

FIGURES = {
    "rmse_vg": "RMSE(v_g), THz·Å",
    "mae_vg": "MAE(v_g), THz·Å",
    "rmse_slope": "RMSE(dω²/dq), THz²·Å",
    "mae_slope": "MAE(dω²/dq), THz²·Å",
}
ON_PATH, ON_MESH = (25, 50, 100, 200, 400, 800), (30.0, 45.0, 60.0, 90.0, 120.0, 180.0)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", help="folder with the archives of the phonon database")
    parser.add_argument("--potential", default="7net-0")
    parser.add_argument("--materials", nargs="+", default=["mp-13816", "mp-989514", "mp-989536"])
    return parser.parse_args()


def row(*cells: object) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def main() -> None:
    given = arguments()
    potential, conditions = resolve(given.potential), Conditions()
    for name in given.materials:
        [entry] = Selection(ids=[name]).pick(open_dataset("phonondb", given.folder).entries())
        material = entry.load()
        forces = measure("harmonic", material, potential, conditions)["displaced_forces"].arrays
        phonon = hm.build_phonopy(material)
        sides = [
            hm.real_space_dynamical_matrix(phonon, hm.symmetrised(phonon, raw))
            for raw in (
                hm.reference_force_constants(phonon, material),
                hm.force_constants_from_forces(
                    phonon, DisplacementForces(forces["displacements"], forces["forces"])
                ),
            )
        ]
        path = [hm.band_path(phonon, n) for n in ON_PATH]
        grid = [hm.q_mesh(phonon, length) for length in ON_MESH]
        for heads, places in ((ON_PATH, path), ([mesh.divisions[0] for mesh in grid], grid)):
            compared = [
                hm.compare(
                    *(hm.compute_dispersion(side, at.points) for side in sides),
                    weights=getattr(at, "weights", None),
                )
                for at in places
            ]
            print(row(f"{material.formula} ({name})", "", *heads))
            for figure, title in FIGURES.items():
                print(row("", title, *(f"{getattr(one, figure):.3g}" for one in compared)))


if __name__ == "__main__":
    main()
