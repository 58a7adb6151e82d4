"""The plan for the whole of Yang et al. (2026), from measured costs: tables and picture of docs/scale.md.

    python benchmarks/cost_per_frame.py --output benchmarks/cost_per_frame.json      # first
    python benchmarks/scale_plan.py [--frames 1600] [--cores 64] [--nodes 16] [--gpus 8] [--only PART ...]

Numbers of evaluations are counted (displacements by phonopy), sizes of records and the cost of σ are measured
on one cell of that many frames, costs of evaluations are read from the first script's file. Only the figures
for accelerators are others', cited in GPU_SOURCES. Tables go between the marks in docs/scale.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from phonopy import Phonopy
from phonopy.structure.atoms import PhonopyAtoms

from adaptive_frames import decided
from cost_per_frame import COMPOUNDS, primitive_cell
from interval_coverage import first_order
from rematch_vs_dscribe import thermal_frames
from sigma_cost import synthetic
from softmode import harmonic as hm
from softmode.anharmonic.sigma import harmonic_forces
from softmode.configurations import SoapFeatures, SoapSettings, frame_kernel
from softmode.crystal import Material
from softmode.datasets import open_reference
from softmode.measurements.conditions import Conditions
from softmode.measurements.measure import compute, facts_of
from softmode.measurements.plan import record_inputs
from softmode.measurements.view import Sources
from softmode.potentials import Potential, PotentialInfo
from softmode.records import Record, RecordStore

mpl.use("Agg")
from matplotlib import pyplot as plt

HERE = Path(__file__).resolve().parent
DOCS = HERE.parent / "docs"
LABELS = HERE.parents[1] / "shared" / "data" / "labels" / "hdp_sigma_300K.csv"
MATERIALS, MODELS, MD_STEPS, MAPPED = 1682, 4, 4000, 5
PILOT = 20
#: Spread of σ(t) over its mean, about what was measured, and correlation time in frames of 1 fs, twice that
#: (benchmarks/adaptive_dynamics.py).
SPREAD, TIME = 0.1, 20.0
DTYPES = ("float32", "float64")
NAMES = {
    "mace": "MACE medium, 89 elements",
    "mace-4": "the same built for 4 elements",
    "chgnet": "CHGNet",
    "7net-0": "7net-0",
}
CPU_CASES = [("mace", "float64"), ("mace", "float32"), ("mace-4", "float64"), ("mace-4", "float32")]
#: What a frame of 80 atoms takes on one accelerator, ms. NOT measured by us.
GPU_SOURCES = {
    "H100, large batches": (
        80 * 3.02e-3,
        "3.02 µs an atom and step, MACE-MP-0b2-Large, relaxations of OMat24 structures, tens of thousands of "
        "atoms in a batch, NVIDIA's own kernels "
        "(docs.nvidia.com/nim/alchemi/alchemi-bgr/latest/performance.html)",
    ),
    "A100, large batches": (80 * 6.65e-3, "6.65 µs an atom and step, the same source"),
    "A10G, frame by frame": (
        65.1,
        "65.1 ms in float64 (23.4 ms in float32), 64 carbon atoms, the smaller MACE of mace-torch's tests, "
        "not compiled (github.com/ACEsuit/mace/pull/310)",
    ),
}


@dataclass(frozen=True)
class Stage:
    """A part of the work.

    Parameters
    ----------
    name : str
        What it is.
    evaluations : int
        Of energies and forces.
    note : str
        How they come about.
    """

    name: str
    evaluations: int
    note: str


def displacements_per_compound() -> dict[str, int]:
    """Displaced supercells that phonopy makes of the 10-atom cell in 2x2x2, by halide."""
    counts = {}
    for halide in COMPOUNDS:
        atoms = primitive_cell(halide)
        cell = PhonopyAtoms(
            cell=atoms.cell.array,
            scaled_positions=atoms.get_scaled_positions(),
            symbols=atoms.get_chemical_symbols(),
        )
        phonon = Phonopy(cell, supercell_matrix=np.diag([2, 2, 2]), primitive_matrix="P", log_level=0)
        counts[halide] = len(hm.plan_displacements(phonon, 0.01).displacements)
    return counts


def stages(n_frames: int, n_displacements: int) -> list[Stage]:
    """The paper's work, in the order in which it is best done."""
    return [
        Stage(
            "phonons",
            MATERIALS * MODELS * (2 * n_displacements + 1),
            f"{n_displacements} displacements of 0.01 and 0.02 Å, and the crystal at rest, {MODELS} models",
        ),
        Stage("σ on DFT frames", MATERIALS * MODELS * n_frames, f"{n_frames} frames, {MODELS} models"),
        Stage("dynamics of one model", MATERIALS * MD_STEPS, f"2 × {MD_STEPS // 2} steps, omat-0-medium"),
    ]


# --- one cell, measured ----------------------------------------------------------------------------


class NearlyHarmonic(Potential):
    """Forces of the reference's force constants and noise: records are as large as with any potential."""

    def __init__(self, material: Material) -> None:
        self.info = PotentialInfo("nearly harmonic", "ASE")
        self.dtype, self.device = "float64", "cpu"
        phonon = hm.build_phonopy(material)
        self._rest = hm.reference_supercell(phonon).to_atoms().positions
        constants = hm.symmetrised(phonon, hm.reference_force_constants(phonon, material))
        self._constants = hm.full_force_constants(phonon, constants)
        self._noise = np.random.default_rng(1)

    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[Sequence[float], Sequence[Any]]:
        moved = np.array([atoms.positions - self._rest for atoms in configurations])
        forces = harmonic_forces(self._constants, moved)
        noise = self._noise.normal(0.0, 0.02, forces.shape) * min(1.0, float(np.abs(moved).max()) / 0.1)
        return self._noise.normal(0.0, 1.0, len(moved)), forces + noise

    def calculator(self) -> Calculator:
        """Not needed here."""
        raise NotImplementedError


def measured_cell(n_frames: int) -> dict[str, float]:
    """Bytes of the records of one cell, and processor seconds of what is not evaluation of forces."""
    material = open_reference("example")
    trajectory, potential = synthetic(material, n_frames), NearlyHarmonic(material)
    conditions = Conditions.create({"protocol": "yang2026"})
    facts = facts_of(material, potential, trajectory, stored=False)
    sources = Sources(facts, lambda: material, lambda: trajectory, lambda: potential, potential.info.name)
    found: dict[str, float] = {}
    records: dict[str, Record] = {}
    with tempfile.TemporaryDirectory() as folder:
        store = RecordStore(Path(folder))
        for name, inputs in record_inputs(("harmonic", "sigma"), facts, conditions).items():
            start = time.process_time()
            records[name] = record = compute(name, inputs, sources, conditions, records, keep_failure=False)
            found[f"{name}_s"] = time.process_time() - start
            store.write(record)
            found[f"{name}_bytes"] = store.path(record.key).stat().st_size
        moved = synthetic(material, MD_STEPS)
        arrays = {"positions": moved.positions, "forces": moved.forces}
        store.write(Record("md", "md", {}, {}, arrays))
        found["md_bytes"] = store.path("md").stat().st_size
    return found


def map_cost(n_frames: int = 200) -> tuple[float, float]:
    """Processor seconds of a frame (descriptor and projection) and of a pair of frames in a map."""
    frame_kernel(SoapFeatures([thermal_frames(10)], SoapSettings())).matrix()  # libraries are loaded
    features = SoapFeatures([thermal_frames(n_frames)], SoapSettings())
    start = time.process_time()
    kernel = frame_kernel(features)
    between = time.process_time()
    kernel.matrix()
    end = time.process_time()
    return (between - start) / n_frames, (end - between) / (n_frames * (n_frames - 1) / 2)


# --- tables ----------------------------------------------------------------------------------------


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def of(costs: Mapping[str, Any], potential: str, dtype: str | None, threads: int = 1) -> dict[str, Any]:
    """The measured case."""
    for case in costs["cases"]:
        if (case["potential"], case["dtype"], case["threads"]) == (potential, dtype, threads):
            return dict(case)
    raise SystemExit(
        f"{potential} {dtype} with {threads} thread(s) is not in the file: run cost_per_frame.py"
    )


def mean_cost(costs: Mapping[str, Any], potential: str, dtype: str | None) -> float:
    """Processor seconds a frame, the four halides alike."""
    return float(np.mean(list(of(costs, potential, dtype)["seconds"].values())))


def frame_table(costs: Mapping[str, Any]) -> str:
    """What was measured."""
    rows = []
    for case in costs["cases"]:
        seconds = [case["seconds"][halide] for halide in COMPOUNDS]
        rows.append(
            [
                NAMES[case["potential"]],
                case["dtype"] or "float32",
                str(case["threads"]),
                *[f"{value:.2f}" for value in seconds],
                f"{np.mean(seconds):.2f}",
                f"{case['memory_MB'] / 1000:.1f}",
            ]
        )
    neighbours = [f"{costs['neighbours_6A'][halide]:.0f}" for halide in COMPOUNDS]
    rows.insert(0, ["*neighbours within 6 Å*", "", "", *neighbours, "", ""])
    return table(["", "precision", "threads", *COMPOUNDS, "mean", "memory, GB"], rows)


def ratio_table(costs: Mapping[str, Any]) -> str:
    """What the 89 elements and float64 cost."""
    mean = {(name, dtype): mean_cost(costs, name, dtype) for name in ("mace", "mace-4") for dtype in DTYPES}
    return table(
        ["", *DTYPES],
        [
            ["89 elements / 4 elements", *[f"{mean['mace', d] / mean['mace-4', d]:.2f}" for d in DTYPES]],
            [
                "float64 / float32, 89 elements",
                "",
                f"{mean['mace', 'float64'] / mean['mace', 'float32']:.2f}",
            ],
        ],
    )


def work_table(work: Sequence[Stage]) -> str:
    """How many evaluations there are."""
    rows = [[stage.name, stage.note, f"{stage.evaluations:,}"] for stage in work]
    rows.append(["all", "", f"{sum(stage.evaluations for stage in work):,}"])
    return table(["", "", "evaluations"], rows)


def days(seconds: float) -> str:
    """A time in days, or hours or minutes where it is short."""
    hours = seconds / 3600
    if hours < 1:
        return f"{60 * hours:.1f} min"
    return f"{hours / 24:,.1f} d" if hours >= 48 else f"{hours:.1f} h"


def machine_table(work: Sequence[Stage], costs: Mapping[str, Any], machines: argparse.Namespace) -> str:
    """Time on each machine for each precision."""
    n = sum(stage.evaluations for stage in work)
    rows = []
    for name, dtype in CPU_CASES:
        core = mean_cost(costs, name, dtype)
        rows.append(
            [
                f"{NAMES[name]}, {dtype}",
                f"{n * core / 3600:,.0f} core-hours",
                days(n * core / machines.cores),
                days(n * core / machines.cores / machines.nodes),
            ]
        )
    for name, (milliseconds, _) in GPU_SOURCES.items():
        hours = n * milliseconds / 1e3 / 3600
        rows.append(
            [
                f"*{name}: {milliseconds:.2g} ms, not measured by us*",
                f"{hours:,.1f} GPU-hours",
                f"{days(hours * 3600)} on one",
                f"{days(hours * 3600 / machines.gpus)} on {machines.gpus}",
            ]
        )
    return table(
        ["", "all evaluations", f"one node of {machines.cores} cores", f"{machines.nodes} nodes"], rows
    )


def stage_table(work: Sequence[Stage], costs: Mapping[str, Any], machines: argparse.Namespace) -> str:
    """Time of each stage, float64 on processors, accelerators from slow to fast."""
    core = mean_cost(costs, "mace", "float64")
    rows = []
    for stage in [*work, pilot(work)]:
        slow, fast = (
            stage.evaluations * GPU_SOURCES[name][0] / 1e3
            for name in ("A10G, frame by frame", "H100, large batches")
        )
        total = stage.evaluations * core
        rows.append(
            [
                stage.name,
                f"{total / 3600:,.0f}",
                days(total / machines.cores),
                days(total / machines.cores / machines.nodes),
                f"{days(fast)} … {days(slow)}",
            ]
        )
    header = ["", "core-hours", "one node", f"{machines.nodes} nodes", "one GPU (others' figures)"]
    return table(header, rows)


def adaptive_frames(n_frames: int, labels: Path) -> list[int]:
    """Frames that an adaptive σ takes of each compound whose published σ there is.

    σ(t) is simulated: a relaxation with the spread and correlation time that are in SPREAD and TIME.
    """
    with labels.open(encoding="utf-8") as rows:
        published = [float(row["sigma_300K_single"]) for row in csv.DictReader(rows)]
    made = first_order(TIME)(np.random.default_rng(0), len(published), n_frames)
    return [
        decided(sigma * (1.0 + SPREAD * series), [n_frames], index, n_frames / (2 * TIME))[1]
        for index, (sigma, series) in enumerate(zip(published, made, strict=True))
    ]


def adaptive_table(
    work: Sequence[Stage], taken: Sequence[int], costs: Mapping[str, Any], machines: argparse.Namespace
) -> str:
    """The whole work with all frames, and with as many as the class takes."""
    core, mean = mean_cost(costs, "mace", "float64"), float(np.mean(taken))
    of_sigma = {"all": work[1].evaluations, "adaptive": round(MATERIALS * MODELS * mean)}
    rest = sum(stage.evaluations for stage in (work[0], *work[2:]))
    rows = []
    for name, n in of_sigma.items():
        for what, total in (("σ", n), ("whole paper", n + rest)):
            seconds = total * core
            rows.append(
                [
                    f'{what}, `frames = "{name}"`',
                    f"{total:,}",
                    f"{seconds / 3600:,.0f}",
                    days(seconds / machines.cores),
                    days(seconds / machines.cores / machines.nodes),
                ]
            )
    found = table(["", "evaluations", "core-hours", "one node", f"{machines.nodes} nodes"], rows)
    low, middle, high = np.quantile(taken, (0.25, 0.5, 0.75))
    return (
        f"{found}\n\nFrames of a compound, simulated for the {len(taken):,} published σ: median "
        f"{middle:.0f}, quartiles {low:.0f} and {high:.0f}, mean {mean:.0f} of {machines.frames:,}; over "
        f"half of them for {100 * np.mean(np.array(taken) > machines.frames / 2):.1f} % of the compounds."
    )


def pilot(work: Sequence[Stage]) -> Stage:
    """The same for a few compounds."""
    share = sum(stage.evaluations for stage in work) * PILOT // MATERIALS
    return Stage(f"pilot: all of it for {PILOT} compounds", share, "")


def storage_table(cell: Mapping[str, float], n_frames: int) -> str:
    """Room for records."""
    cells = MATERIALS * MODELS
    harmonic = sum(cell[f"{name}_bytes"] for name in ("displaced_forces", "harmonic"))
    sigma = sum(cell[f"{name}_bytes"] for name in ("displaced_forces_for_sigma", "sigma"))
    rows = [
        ["phonons", harmonic, cells],
        [f"forces on {n_frames} frames", cell["trajectory_forces_bytes"], cells],
        ["σ", sigma, cells],
        ["σ of the reference", cell["reference_sigma_bytes"], MATERIALS],
        [f"{MD_STEPS} frames of dynamics", cell["md_bytes"], MATERIALS],
    ]
    total = sum(size * count for _, size, count in rows)
    shown = [[name, f"{size / 1e6:.2f}", f"{n:,}", f"{size * n / 1e9:.1f}"] for name, size, n in rows]
    return table(["record of", "MB", "records", "GB"], [*shown, ["all", "", "", f"{total / 1e9:.0f}"]])


def overhead_text(cell: Mapping[str, float], costs: Mapping[str, Any], n_frames: int) -> str:
    """Beside the evaluations."""
    beside = sum(cell[f"{name}_s"] for name in ("harmonic", "reference_sigma", "sigma"))
    forces = n_frames * mean_cost(costs, "mace", "float64")
    return (
        f"Phonons, σ with all its resolved forms and intervals take {beside:.1f} s of one core for a cell of "
        f"{n_frames} frames, {100 * beside / forces:.2g} % of what its evaluations take in float64."
    )


def maps_text(frame: float, pair: float, costs: Mapping[str, Any], n_frames: int) -> str:
    """What the maps take."""
    core = mean_cost(costs, "mace", "float64")
    hours = {}
    for every in (1, 5):
        n = (n_frames + MD_STEPS) // every
        hours[every] = (n * frame + n * (n - 1) / 2 * pair) / 3600
    share = MATERIALS * hours[5] * 3600 / (MATERIALS * MD_STEPS * core)
    return (
        f"A map of every fifth frame of both sides ({(n_frames + MD_STEPS) // 5:,} frames) takes "
        f"{60 * hours[5]:.1f} min of one core, of every frame {hours[1]:.1f} h, at "
        f"{1e3 * frame:.0f} ms a frame and {1e6 * pair:.0f} µs a pair, measured. That makes "
        f"{MATERIALS * hours[5]:,.0f} core-hours for all {MATERIALS:,} compounds, {100 * share:.1f} % of the "
        f"dynamics that they show, or {MAPPED * hours[1]:.0f} for the {MAPPED} that the paper maps, in full."
    )


def memory_text(costs: Mapping[str, Any], machines: argparse.Namespace) -> str:
    """What workers hold."""
    held = {dtype: of(costs, "mace", dtype)["memory_MB"] / 1000 for dtype in DTYPES}
    every = {dtype: f"{machines.cores * size:.0f}" for dtype, size in held.items()}
    return (
        f"A worker holds one model and one trajectory: {held['float32']:.1f} GB in float32 and "
        f"{held['float64']:.1f} GB in float64 at most, frame by frame. {machines.cores} workers want "
        f"{every['float32']} to {every['float64']} GB, more with batches of three frames, as on processors."
    )


# --- picture ---------------------------------------------------------------------------------------


def draw(work: Sequence[Stage], costs: Mapping[str, Any], machines: argparse.Namespace, path: Path) -> None:
    """Cost of a frame by halide, and days for each stage by machine."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    cases = [("mace", "float64"), ("mace", "float32"), ("mace-4", "float64"), ("mace-4", "float32")]
    for index, (name, dtype) in enumerate([*cases, ("chgnet", None), ("7net-0", None)]):
        seconds = of(costs, name, dtype)["seconds"]
        label = NAMES[name] + (f", {dtype}" if dtype else "")
        left.plot(
            [costs["neighbours_6A"][halide] for halide in COMPOUNDS],
            [seconds[halide] for halide in COMPOUNDS],
            marker="os^vDP"[index],
            label=label,
        )
    for halide in COMPOUNDS:
        left.annotate(halide, (costs["neighbours_6A"][halide], 0.012), rotation=90, va="bottom", ha="center")
    left.set(
        xlabel="neighbours of an atom within 6 Å",
        ylabel="processor seconds a frame (80 atoms)",
        yscale="log",
        ylim=(0.01, None),
    )
    left.grid(alpha=0.3)
    figure.legend(*left.get_legend_handles_labels(), loc="outside lower left", ncols=3, fontsize=8)
    core = mean_cost(costs, "mace", "float64")
    rates = {
        f"one node, {machines.cores} cores": core / machines.cores,
        f"{machines.nodes} nodes": core / machines.cores / machines.nodes,
        **{f"one {name}*": value / 1e3 for name, (value, _) in GPU_SOURCES.items()},
    }
    for index, stage in enumerate(work):
        right.plot(
            [stage.evaluations * rate / 86400 for rate in rates.values()],
            range(len(rates)),
            "os^"[index],
            label=stage.name,
        )
    right.set(xscale="log", xlabel="days", yticks=range(len(rates)), yticklabels=list(rates))
    right.margins(y=0.15)
    right.invert_yaxis()
    right.grid(alpha=0.3)
    right.legend(fontsize=8, loc="lower left")
    right.set_title(
        "MACE of 89 elements; processors: float64\n* others' figures, not measured by us", fontsize=9
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=120)


# --- the page --------------------------------------------------------------------------------------


def filled(page: str, parts: Mapping[str, str]) -> str:
    """The page with the text between its marks replaced."""
    for name, text in parts.items():
        mark = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        page, n = mark.subn(lambda found, text=text: f"{found[1]}{text}\n{found[2]}", page)
        if n != 1:
            raise SystemExit(f"the page has {n} marks <!-- {name} -->")
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--costs", type=Path, default=HERE / "cost_per_frame.json")
    parser.add_argument("--frames", type=int, default=1600)
    parser.add_argument("--cores", type=int, default=64)
    parser.add_argument("--nodes", type=int, default=16)
    parser.add_argument("--gpus", type=int, default=8)
    parser.add_argument("--labels", type=Path, default=LABELS, help="CSV with a column sigma_300K_single")
    parser.add_argument("--only", nargs="+", help="parts of the page; all when not given")
    machines = parser.parse_args()
    costs = json.loads(machines.costs.read_text())
    [n_displacements] = set(displacements_per_compound().values())
    work = stages(machines.frames, n_displacements)
    cell = cache(lambda: measured_cell(machines.frames))
    made: dict[str, Callable[[], str]] = {
        "frame": lambda: frame_table(costs),
        "ratio": lambda: ratio_table(costs),
        "work": lambda: work_table(work),
        "machines": lambda: machine_table(work, costs, machines),
        "stages": lambda: stage_table(work, costs, machines),
        "adaptive": lambda: adaptive_table(
            work, adaptive_frames(machines.frames, machines.labels), costs, machines
        ),
        "storage": lambda: storage_table(cell(), machines.frames),
        "maps": lambda: maps_text(*map_cost(), costs, machines.frames),
        "memory": lambda: memory_text(costs, machines),
        "overhead": lambda: overhead_text(cell(), costs, machines.frames),
        "sources": lambda: "\n".join(f"- {name}: {source}." for name, (_, source) in GPU_SOURCES.items()),
    }
    parts = {name: make() for name, make in made.items() if name in (machines.only or made)}
    for name, text in parts.items():
        print(f"\n{name}\n{text}")
    page = DOCS / "scale.md"
    page.write_text(filled(page.read_text(encoding="utf-8"), parts), encoding="utf-8")
    if machines.only:
        return
    draw(work, costs, machines, DOCS / "results" / "scale" / "cost.png")


if __name__ == "__main__":
    main()
