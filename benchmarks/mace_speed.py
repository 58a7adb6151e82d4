"""How much sooner a MACE of 89 elements answers when only those present are kept, beside `MACECalculator`.

    python benchmarks/mace_speed.py [--repeats 5] [--halides bromide ...] [--compile]

The architecture of the published medium models (128x0e + 128x1o, 6 Å, two layers, 89 elements) with random
weights, displaced cells of 80 atoms and four elements, one thread. All are asked in turn for the forces of a
new configuration; `MACECalculator` computes the stress with them, which its model is also timed without.
Prints seconds of the processor and of the clock, the smallest of all repeats, how many times as fast that is,
and the largest difference in forces. `--compile` adds `MACECalculator` with `torch.compile`.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from cost_per_frame import COMPOUNDS, ELEMENTS, medium_mace, supercell
from softmode.potentials import PotentialSettings, resolve
from softmode.potentials.runtime import quiet

Answer = Callable[[Any], Any]


def softmode_potential(path: Path, dtype: str, **kwargs: Any) -> Answer:
    """Forces by softmode."""
    potential = resolve(PotentialSettings(name=str(path), dtype=dtype, kwargs=kwargs)).load()
    return lambda atoms: potential.evaluate([atoms]).forces[0]


def mace_calculator(path: Path, dtype: str, **arguments: Any) -> Answer:
    """Forces by mace-torch's own calculator."""
    from mace.calculators import MACECalculator

    with quiet():
        calculator = MACECalculator(model_paths=str(path), device="cpu", default_dtype=dtype, **arguments)

    def forces(atoms: Any) -> Any:
        atoms = atoms.copy()
        atoms.calc = calculator
        return atoms.get_forces()

    return forces


def timed(answer: Answer, atoms: Any) -> tuple[float, float, Any]:
    """Seconds of the processor and of the clock, and what was answered."""
    processor, clock = time.process_time(), time.perf_counter()
    found = answer(atoms)
    return time.process_time() - processor, time.perf_counter() - clock, found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--halides", nargs="+", default=list(COMPOUNDS), choices=COMPOUNDS)
    parser.add_argument("--compile", action="store_true")
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        path = medium_mace(Path(folder) / "medium.model", ELEMENTS)
        for dtype in ("float64", "float32"):
            answers = {
                "MACECalculator": mace_calculator(path, dtype),
                "the same without stress": softmode_potential(path, dtype, all_elements=True),
                "softmode": softmode_potential(path, dtype),
            }
            if arguments.compile:
                answers["MACECalculator, compiled"] = mace_calculator(path, dtype, compile_mode="default")
            for halide in arguments.halides:
                report(dtype, halide, answers, arguments.repeats)


def report(dtype: str, halide: str, answers: dict[str, Answer], repeats: int) -> None:
    """Time all of them on one compound, in turn, and print a line for each."""
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in answers}
    difference = dict.fromkeys(answers, 0.0)
    for seed in range(repeats + 1):  # the first is not counted: what is made once is made there
        expected = None
        for name, answer in answers.items():
            processor, clock, forces = timed(answer, supercell(halide, seed))
            expected = forces if expected is None else expected
            difference[name] = max(difference[name], float(np.abs(forces - expected).max()))
            if seed:
                times[name].append((processor, clock))
    best = {name: np.min(of_one, axis=0) for name, of_one in times.items()}
    for name, (processor, clock) in best.items():
        ratio = best["MACECalculator"] / best[name]
        print(
            f"{dtype} {halide:9} {name:25} {processor:6.3f} s of the processor, {clock:6.3f} s of the clock; "
            f"{ratio[0]:.2f} and {ratio[1]:.2f} times as fast; {difference[name]:.1e} eV/Å",
            flush=True,
        )


if __name__ == "__main__":
    main()
