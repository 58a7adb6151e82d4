"""Every family of potentials on whatever is there: are its numbers right, how fast are passes of each size?

    python benchmarks/accelerator.py [--device cuda] [--weights FOLDER] [--output accelerator.json]

For each family, in a process of its own (one that fails is reported, and the rest goes on): the known answer
of the catalogue, forces on frames of 80 atoms on the device against those of the same model on a processor,
whether two evaluations have the same bits, and configurations per second and memory by the number of
configurations in a pass, beside one thread of the processor. The MACE has the architecture of the published
medium models and random weights (``cost_per_frame.py``). Nothing is fetched; ``--weights`` is a folder with
those of Nequix and TensorNet (``nequix/nequix-mp-1.nqx``, ``matgl/…``).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms

from cost_per_frame import ELEMENTS, medium_mace, processor, supercell

#: What is measured: name and, where there is a choice, the precision.
CASES = (
    ("mace", "float32"),
    ("mace", "float64"),
    ("chgnet", None),
    ("7net-0", None),
    ("7net-l3i5", None),
    ("nequix-mp-1", None),
    ("TensorNet-MatPES-PBE", None),
)
#: The halide whose frames are evaluated: 25 neighbours of an atom within 6 Å.
HALIDE = "chloride"


def load(name: str, dtype: str | None, device: str, folder: Path) -> Any:
    from softmode.potentials import PotentialSettings, resolve

    if name == "mace":
        path = folder / "medium.model"
        name = str(path if path.is_file() else medium_mace(path, ELEMENTS))
    return resolve(PotentialSettings(name=name, dtype=dtype, device=device)).load()


def seconds_of(potential: Any, frames: list[Atoms], least: float) -> float:
    """The shortest time of an evaluation of the frames, of as many as fit into some seconds."""
    times: list[float] = []
    while len(times) < 2 or (sum(times) < least and len(times) < 20):
        start = time.perf_counter()
        potential.evaluate(frames)
        times.append(time.perf_counter() - start)
    return min(times)


def limit_passes(potential: Any, number: int, size: int) -> None:
    """Put so many configurations into a pass."""
    if hasattr(potential, "_most"):
        potential._most = int(number * size * 1.2)
        potential.batches = True


@contextmanager
def any_order() -> Iterator[None]:
    """Let torch add as threads come, as it does when nobody asks it for more."""
    from softmode.potentials import batching, mace

    before = batching.deterministic
    batching.deterministic = mace.deterministic = lambda device: nullcontext()
    try:
        yield
    finally:
        batching.deterministic = mace.deterministic = before


def memory_of() -> dict[str, float]:
    """Most memory held on the accelerator, GB."""
    found = {}
    if "torch" in sys.modules:
        import torch

        if torch.cuda.is_available() and torch.cuda.is_initialized():
            found["torch_GB"] = torch.cuda.max_memory_allocated() / 1e9
    if "jax" in sys.modules:
        import jax

        statistics = jax.devices()[0].memory_stats() or {}
        found["jax_GB"] = statistics.get("peak_bytes_in_use", 0) / 1e9
    return found


def measure(name: str, dtype: str | None, device: str, sizes: list[int], least: float) -> dict[str, Any]:
    """All that is asked of a case, in this process."""
    frames = [supercell(HALIDE, seed) for seed in range(max(sizes))]
    size = 0
    found: dict[str, Any] = {"name": name, "dtype": dtype, "device": device, "passes": []}
    with tempfile.TemporaryDirectory() as folder:
        host = load(name, dtype, "cpu", Path(folder))
        reference = host.evaluate(frames[:2])
        found["cpu_per_s"] = 1 / seconds_of(host, frames[:1], least / 2)
        if device == "cpu":
            potential = host
        else:
            start = time.perf_counter()
            potential = load(name, dtype, device, Path(folder))
            found["load_s"] = time.perf_counter() - start
    found["edges_of_a_pass"] = getattr(potential, "_most", None)
    if hasattr(potential, "_most"):
        graph = potential._graph(frames[0])
        size, found["edges"] = potential._size(graph), potential._edges(graph)
    first = potential.evaluate(frames[: max(2, min(8, len(frames)))])
    second = potential.evaluate(frames[: max(2, min(8, len(frames)))])
    found["force_difference"] = max(
        float(np.abs(one - other).max()) for one, other in zip(reference.forces, first.forces, strict=False)
    )
    found["energy_difference"] = float(np.abs(reference.energies - first.energies[:2]).max())
    found["same_bits"] = all(np.array_equal(a, b) for a, b in zip(first.forces, second.forces, strict=True))
    found["between_runs"] = max(
        float(np.abs(a - b).max()) for a, b in zip(first.forces, second.forces, strict=True)
    )
    for number in sizes:
        limit_passes(potential, number, size)
        try:
            potential.evaluate(frames[:number])
            rate = number / seconds_of(potential, frames[:number], least)
            memory = memory_of()
            with any_order():
                any_rate = number / seconds_of(potential, frames[:number], least / 2)
        except Exception as error:  # noqa: BLE001  (what fails is reported, the rest goes on)
            found["passes"].append({"size": number, "error": str(error)[:300]})
            break
        found["passes"].append({"size": number, "per_s": rate, "any_order_per_s": any_rate, **memory})
    return found


def measured_apart(arguments: argparse.Namespace, name: str, dtype: str | None) -> dict[str, Any]:
    """The same in a process of its own."""
    case = {
        "name": name,
        "dtype": dtype,
        "device": arguments.device,
        "sizes": arguments.sizes,
        "least": arguments.seconds,
    }
    environment = dict(os.environ)
    if arguments.weights:
        environment["SOFTMODE_WEIGHTS_URL"] = arguments.weights.resolve().as_uri()
    command = [sys.executable, __file__, "--case", json.dumps(case)]
    start = time.perf_counter()
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=arguments.limit, env=environment
        )
        lines = done.stdout.splitlines()
        found = json.loads(lines[-1]) if done.returncode == 0 and lines else {"error": done.stderr[-1500:]}
    except subprocess.TimeoutExpired:
        found = {"error": f"took longer than {arguments.limit} s"}
    return {**case, **found, "wall_s": time.perf_counter() - start}


def device_name(device: str) -> str:
    if device.startswith("cuda"):
        import torch

        return str(torch.cuda.get_device_name())
    return processor()


def rows(found: dict[str, Any]) -> Iterator[str]:
    """Lines of the table."""
    title = f"{found['name']} {found['dtype'] or 'float32'}"
    if "error" in found:
        yield f"{title} | failed: {found['error'].strip().splitlines()[-1][:200]}"
        return
    yield (
        f"{title} | one thread {found['cpu_per_s']:.2f}/s | dF {found['force_difference']:.1e} eV/Å, "
        f"dE {found['energy_difference']:.1e} eV | same bits again: {found['same_bits']} | a frame has "
        f"{found.get('edges', '?')} edges, a pass {found['edges_of_a_pass'] or '?'} | {found['wall_s']:.0f} s"
    )
    for each in found["passes"]:
        if "error" in each:
            yield f"    {each['size']}: {each['error'][:150]}"
            continue
        memory = " ".join(f"{value:.2f} GB" for key, value in each.items() if key.endswith("GB"))
        yield f"    {each['size']}: {each['per_s']:.1f}/s (any order {each['any_order_per_s']:.1f}) {memory}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--sizes", type=int, nargs="+", help="configurations in a pass")
    parser.add_argument("--names", nargs="+", help="only these")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--seconds", type=float, default=1.0, help="spent on each figure, at least")
    parser.add_argument("--limit", type=float, default=600.0, help="seconds for a family")
    parser.add_argument("--output", type=Path, default=Path("accelerator.json"))
    parser.add_argument("--case", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.case:
        from softmode.numerics import limited_threads, set_thread_variables

        set_thread_variables(1)
        with limited_threads(1):
            print(json.dumps(measure(**json.loads(arguments.case))))
        return
    arguments.sizes = arguments.sizes or ([1, 2, 4] if arguments.device == "cpu" else [1, 4, 16, 64])
    print(
        f"{device_name(arguments.device)}; frames of 80 atoms a second by configurations in a pass",
        flush=True,
    )
    results = []
    for name, dtype in CASES:
        if arguments.names and name not in arguments.names:
            continue
        results.append(measured_apart(arguments, name, dtype))
        for row in rows(results[-1]):
            print(row, flush=True)
        content = {
            "device": device_name(arguments.device),
            "processor": processor(),
            "python": platform.python_version(),
        }
        arguments.output.write_text(json.dumps({**content, "cases": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
