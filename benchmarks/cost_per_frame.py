"""What one evaluation of 80 atoms of a halide double perovskite costs, for each kind of potential.

    python benchmarks/cost_per_frame.py [--threads 1 2] [--potentials mace 7net-0] [--output costs.json]

Energies and forces through softmode's own `Potential.evaluate`, frame by frame, for a fluoride, a chloride, a
bromide and an iodide (their neighbours within the cutoff differ by a factor of three): CHGNet, 7net-0, and a
MACE of the architecture of the published medium models with random weights, as costly as trained ones.

Time is that of the processor (`time.process_time`, all threads added), not of the clock: on a machine that
does other things the clock measures these as well. Busy neighbours slow memory down all the same, so that
figures are upper bounds. The shortest of `--repeats` is kept, and what the file already holds
of other cases.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers
from ase.spacegroup import crystal

from softmode.potentials.runtime import allow_e3nn_constants

#: One A2BB'X6 of each halide with its lattice constant, Å (the last known from DFT, the others rounded).
COMPOUNDS = {
    "fluoride": ("Cs", "Na", "Y", "F", 9.1),
    "chloride": ("Cs", "Na", "Y", "Cl", 10.8),
    "bromide": ("Cs", "Ag", "Bi", "Br", 11.46),
    "iodide": ("Cs", "Na", "Bi", "I", 12.3),
}
#: MACE of 89 elements, and built for the four present.
POTENTIALS = ("mace", "mace-4", "chgnet", "7net-0")
#: Hydrogen to plutonium without Po, At, Rn, Fr and Ra: the 89 elements of the published models.
ELEMENTS = tuple(z for z in range(1, 95) if not 84 <= z <= 88)


@dataclass(frozen=True)
class Case:
    """Something to be timed.

    Parameters
    ----------
    potential : str
        ``chgnet``, ``7net-0``, ``mace`` or ``mace-4`` (built for four elements).
    dtype : str or None
        Precision, where there is a choice.
    threads : int
        Of torch.
    """

    potential: str
    dtype: str | None
    threads: int


def primitive_cell(halide: str) -> Atoms:
    """The 10-atom cell, Fm-3m."""
    a_site, b_site, b_prime, halogen, a = COMPOUNDS[halide]
    return crystal(
        [a_site, b_site, b_prime, halogen],
        basis=[(0.25, 0.25, 0.25), (0.5, 0.5, 0.5), (0, 0, 0), (0.25, 0, 0)],
        spacegroup=225,
        cellpar=[a, a, a, 90, 90, 90],
        primitive_cell=True,
    )


def supercell(halide: str, seed: int = 0) -> Atoms:
    """80 atoms, 2x2x2 primitive cells, displaced by 0.1 Å at random."""
    atoms = primitive_cell(halide) * (2, 2, 2)
    atoms.positions += np.random.default_rng(seed).normal(0.0, 0.1, atoms.positions.shape)
    return atoms


def medium_mace(path: Path, numbers: Sequence[int]) -> Path:
    """A model of the architecture of mace-omat-0-medium with random weights.

    Hyperparameters of `mace_omat/mace-omat-medium.sh` in ACEsuit/mace-foundations, the rest mace-torch's
    defaults: 128 scalars and vectors, two layers, 6 Å, spherical harmonics to l = 3, body order 4, Agnesi
    transform, ZBL repulsion: 9.06 million weights.
    """
    import torch

    allow_e3nn_constants()
    from e3nn import o3
    from mace import modules

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = modules.ScaleShiftMACE(
            r_max=6.0,
            num_bessel=8,
            num_polynomial_cutoff=5,
            max_ell=3,
            interaction_cls_first=modules.interaction_classes["RealAgnosticDensityInteractionBlock"],
            interaction_cls=modules.interaction_classes["RealAgnosticDensityResidualInteractionBlock"],
            num_interactions=2,
            num_elements=len(numbers),
            hidden_irreps=o3.Irreps("128x0e + 128x1o"),
            MLP_irreps=o3.Irreps("16x0e"),
            atomic_energies=np.zeros((1, len(numbers))),
            avg_num_neighbors=60.0,
            atomic_numbers=list(numbers),
            correlation=3,
            gate=torch.nn.functional.silu,
            pair_repulsion=True,
            distance_transform="Agnesi",
            radial_MLP=[64, 64, 64],
            atomic_inter_scale=1.0,
            atomic_inter_shift=0.0,
        )
    torch.save(model, path)
    return path


def name_of(case: Case, halide: str, folder: Path) -> str:
    """What the potential of a case is called, made where it is made here."""
    if not case.potential.startswith("mace"):
        return case.potential
    present = sorted({atomic_numbers[symbol] for symbol in COMPOUNDS[halide][:4]})
    numbers = present if case.potential == "mace-4" else ELEMENTS
    path = folder / f"{case.potential}-{len(numbers)}-{'-'.join(map(str, numbers[:4]))}.model"
    return str(path if path.is_file() else medium_mace(path, numbers))


def neighbours(atoms: Atoms, cutoff: float) -> float:
    """Mean number of neighbours of an atom."""
    from ase.neighborlist import neighbor_list

    return len(neighbor_list("i", atoms, cutoff)) / len(atoms)


def measure(case: Case, repeats: int) -> dict[str, Any]:
    """Seconds of the processor and of the clock per frame, for each halide, in this process."""
    import torch

    from softmode.potentials import PotentialSettings, resolve

    torch.set_num_threads(case.threads)
    loaded: dict[str, Any] = {}
    seconds, clock, before = {}, {}, peak_memory()
    with tempfile.TemporaryDirectory() as folder:
        for halide in COMPOUNDS:
            name, atoms = name_of(case, halide, Path(folder)), supercell(halide)
            passes = 1 if name in loaded else 2  # TorchScript compiles in the first
            if name not in loaded:
                # what mace-torch does; what softmode saves of it: mace_speed.py
                kwargs = {"all_elements": True} if case.potential.startswith("mace") else {}
                settings = PotentialSettings(name=name, dtype=case.dtype, kwargs=kwargs)
                loaded = {name: resolve(settings).load()}
            for _ in range(passes):
                loaded[name].evaluate([atoms])
            times = [timed(loaded[name], atoms) for _ in range(repeats)]
            seconds[halide], clock[halide] = (min(column) for column in zip(*times, strict=True))
    return {**asdict(case), "seconds": seconds, "clock": clock, "memory_MB": peak_memory(), "idle_MB": before}


def timed(potential: Any, atoms: Atoms) -> tuple[float, float]:
    """Time of the processor and of the clock for one frame."""
    processor, clock = time.process_time(), time.perf_counter()
    potential.evaluate([atoms])
    return time.process_time() - processor, time.perf_counter() - clock


def peak_memory() -> float:
    """Most memory this process has held, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def cases(threads: Sequence[int], potentials: Sequence[str]) -> Iterator[Case]:
    """All that is compared."""
    for n in threads:
        for name in potentials:
            for dtype in ("float32", "float64") if name.startswith("mace") else (None,):
                yield Case(name, dtype, n)


def kept(path: Path, measured: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a file holds of cases that were not measured again."""
    again = {(case["potential"], case["dtype"], case["threads"]) for case in measured}
    before = json.loads(path.read_text())["cases"] if path.is_file() else []
    return [case for case in before if (case["potential"], case["dtype"], case["threads"]) not in again]


def place(case: Mapping[str, Any]) -> tuple[int, str, int]:
    """Where a case stands in the table."""
    return POTENTIALS.index(case["potential"]), case["dtype"] or "", case["threads"]


def measured_apart(case: Case, repeats: int) -> dict[str, Any]:
    """The same in a process of its own: memory is that of one potential, threads are set before all else."""
    command = [sys.executable, __file__, "--repeats", str(repeats), "--case", json.dumps(asdict(case))]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout.splitlines()[-1]))


def processor() -> str:
    """Model of the processor, as far as the system tells."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else []
    return next(
        (line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine()
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--potentials", nargs="+", default=POTENTIALS, choices=POTENTIALS)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--output", type=Path, default=Path("cost_per_frame.json"))
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        print(json.dumps(measure(Case(**json.loads(arguments.case)), arguments.repeats)))
        return
    print("processor seconds a frame of 80 atoms | " + " | ".join(COMPOUNDS) + " | memory, MB")
    results = []
    for case in cases(arguments.threads, arguments.potentials):
        results.append(found := measured_apart(case, arguments.repeats))
        row = " | ".join(f"{found['seconds'][halide]:.3f}" for halide in COMPOUNDS)
        name = f"{case.potential} {case.dtype or 'float32'}, {case.threads} thread(s)"
        print(f"{name} | {row} | {found['memory_MB']:.0f}", flush=True)
    content = {
        "processor": processor(),
        "neighbours_6A": {halide: neighbours(supercell(halide), 6.0) for halide in COMPOUNDS},
        "cases": sorted([*kept(arguments.output, results), *results], key=place),
    }
    arguments.output.write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()
