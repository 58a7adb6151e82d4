"""Thousands of compounds before there are any: a whole study on the stand-in database, killed and resumed.

    PYTHONPATH=tests/helpers:benchmarks python benchmarks/scale_rehearsal.py FOLDER --compounds 50
    PYTHONPATH=tests/helpers:benchmarks python benchmarks/scale_rehearsal.py FOLDER --compounds 2000 --browser

A raw tree of stand-in compounds is written and ingested; a study with four cheap potentials (force constants,
26 frames, σ) is run by two workers, killed with SIGKILL at random moments (the whole process group) and
resumed; then it is run again in another folder without interruption, and every record of both is compared,
bit for bit, but for when and how fast it was made. Last come the tables, `softmode report` and, with
`--browser`, the time until Chromium has the page.

The potential's own time is that inside the calculator's ``calculate``, taken in the same run; the rest of
what the workers do is overhead. Processor time is given beside wall time: other work on the machine disturbs
it less. What is there from an earlier call (tree, store, records) is used.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hdp_potential import VARIANTS, CheapPotential

from standin_study import child, compare, study_file

_TICK = os.sysconf("SC_CLK_TCK")
_OWN_TIME = "SOFTMODE_REHEARSAL_TIMES"


class TimedPotential(CheapPotential):
    """The stand-in potential, with a note of the time it takes."""

    def __init__(self, **errors: float) -> None:
        super().__init__(**errors)
        self._calls, self._wall, self._cpu = 0, 0.0, 0.0
        self._file = Path(os.environ[_OWN_TIME]) / f"{os.getpid()}-{id(self)}-{time.monotonic_ns()}"

    def calculate(self, *arguments: Any, **named: Any) -> None:
        """As the potential does, with the clock running."""
        wall, cpu = time.perf_counter(), time.thread_time()
        super().calculate(*arguments, **named)
        self._wall += time.perf_counter() - wall
        self._cpu += time.thread_time() - cpu
        self._calls += 1
        if self._calls % 10 == 0:
            self._file.write_text(f"{self._wall} {self._cpu}")


def timed(**errors: float) -> TimedPotential:
    """The factory named in the study."""
    return TimedPotential(**errors)


@dataclass
class Usage:
    """What the processes of a run took, added up over its restarts."""

    wall: float = 0.0
    potential_wall: float = 0.0
    potential_cpu: float = 0.0
    parent_cpu: float = 0.0
    worker_cpu: float = 0.0
    parent_peak: int = 0
    worker_peak: int = 0
    kills: list[int] = field(default_factory=list)
    opening: list[float] = field(default_factory=list)


def processes(session: int) -> Iterator[tuple[int, float, int]]:
    """Number, processor time (s) and peak memory (bytes) of the living processes of a session."""
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            status = (entry / "status").read_text() if int(fields[3]) == session else ""
        except OSError:
            continue
        if status and "VmHWM:" in status:
            peak = int(status.split("VmHWM:")[1].split()[0]) * 1024
            yield int(entry.name), (int(fields[11]) + int(fields[12])) / _TICK, peak


def n_records(study: Path) -> int:
    """Records of a study."""
    records = study / "records"
    if not records.is_dir():
        return 0
    found = 0
    for folder in os.scandir(records):
        with os.scandir(folder) as files:
            found += sum(file.name.endswith(".h5") for file in files)
    return found


def run(path: Path, output: Path, kill_at: list[int]) -> Usage:
    """Run a study to its end, killed whenever it has so many records."""
    usage, waiting = Usage(), list(kill_at)
    times = output.with_name(f"{output.name}_times")
    times.mkdir(exist_ok=True)
    while True:
        limit = waiting.pop(0) if waiting else None
        started = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, __file__, "--child", str(path)],
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
            env={**os.environ, _OWN_TIME: str(times)},
        )
        seen: dict[int, tuple[float, int]] = {}
        while process.poll() is None:
            seen |= {number: (cpu, peak) for number, cpu, peak in processes(process.pid)}
            if limit is not None and n_records(output) >= limit:
                os.killpg(process.pid, signal.SIGKILL)
                usage.kills.append(n_records(output))
                break
            time.sleep(0.5)
        told = process.communicate()[0]
        usage.wall += time.perf_counter() - started
        for number, (cpu, peak) in seen.items():
            if number == process.pid:
                usage.parent_cpu += cpu
                usage.parent_peak = max(usage.parent_peak, peak)
            else:
                usage.worker_cpu += cpu
                usage.worker_peak = max(usage.worker_peak, peak)
        if limit is None:
            break
    last = json.loads(told)
    if last["failed"]:
        print(f"{last['failed']} of {last['total']} cells failed")
    usage.opening.append(last["opened"])
    for note in times.iterdir():
        wall, cpu = map(float, note.read_text().split())
        usage.potential_wall += wall
        usage.potential_cpu += cpu
    return usage


def timed_call(*command: str) -> tuple[float, str]:
    """Seconds a command takes, and what it prints."""
    started = time.perf_counter()
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return time.perf_counter() - started, done.stdout


_TABLES = """
import sys, time
from pathlib import Path
from softmode.study.folder import reopen_study
from softmode.study.results import cell_table
began, cpu = time.perf_counter(), time.process_time()
table = cell_table(reopen_study(Path(sys.argv[1])))
print(f"{time.perf_counter() - began:.1f} s ({time.process_time() - cpu:.1f} s of the processor)")
"""


def size_of(folder: Path) -> tuple[int, int]:
    """Number and bytes of the files in a folder."""
    sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    return len(sizes), sum(sizes)


def say(name: str, value: object) -> None:
    """One line of the table."""
    print(f"{name:<44} {value}", flush=True)


def tell_usage(usage: Usage, cells: int) -> None:
    """What a run took."""
    say("  killed at so many records", usage.kills or "never")
    say("  wall time", f"{usage.wall:.0f} s")
    say("  processor time of the workers, the parent", f"{usage.worker_cpu:.0f} s, {usage.parent_cpu:.0f} s")
    say("  of it in the potentials", f"{usage.potential_cpu:.0f} s ({usage.potential_wall:.0f} s wall)")
    overhead = usage.worker_cpu - usage.potential_cpu
    say("  overhead a cell, processor time", f"{1000 * overhead / cells:.0f} ms")
    wall = 2 * usage.wall - usage.potential_wall
    say("  overhead a cell, wall time of both workers", f"{1000 * wall / cells:.0f} ms")
    say(
        "  largest memory of a worker, of the parent",
        f"{usage.worker_peak >> 20}, {usage.parent_peak >> 20} MiB",
    )
    say("  opening the study before the last restart", f"{usage.opening[-1]:.1f} s")


def prepare(folder: Path, compounds: int, frames: int) -> Path:
    """The raw tree and its store."""
    tree, store = folder / f"tree{compounds}", folder / f"store{compounds}"
    if not (tree / "double_halide_pv.db").is_file():
        from hdp_standin import write_tree

        shutil.rmtree(tree, ignore_errors=True)
        write_tree(tree, compounds, (frames, frames))
    if not (store / "store.json").is_file():
        seconds, _ = timed_call(_script(), "ingest", str(tree), str(store), "--workers", "2")
        say("ingesting the tree", f"{seconds:.0f} s")
    say("files and size of tree, of store", f"{size_of(tree)[0]}, {size_of(tree)[1] >> 20} MiB; "
        f"{size_of(store)[0]}, {size_of(store)[1] >> 20} MiB")  # fmt: skip
    return store


def _timed_study(folder: Path, store: Path, name: str, every: int) -> Path:
    run = "[run]\nworkers = 2\n"
    return study_file(folder, store, name, run=run, every=every, potential="scale_rehearsal:timed")


def _script() -> str:
    return str(Path(sys.executable).with_name("softmode"))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--compounds", type=int, default=50)
    parser.add_argument("--frames", type=int, default=26, help="of each of two runs")
    parser.add_argument("--every", type=int, default=2, help="one frame in so many is used")
    parser.add_argument("--kills", type=int, default=3)
    parser.add_argument("--seed", type=int, default=1, help="of the moments at which it is killed")
    parser.add_argument("--no-second-run", action="store_true", help="without the comparison")
    parser.add_argument("--browser", action="store_true", help="load the page in Chromium")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        child(given.child)
        return
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    cells = given.compounds * len(VARIANTS)
    say("compounds, potentials, cells", f"{given.compounds}, {len(VARIANTS)}, {cells}")
    store = prepare(folder, given.compounds, given.frames)
    expected = cells * 4 + given.compounds
    random.seed(given.seed)
    moments = sorted(random.randint(expected // 50, 9 * expected // 10) for _ in range(given.kills))
    killed, whole = (folder / f"{name}{given.compounds}" for name in ("killed", "whole"))
    say("killed and resumed", "")
    tell_usage(run(_timed_study(folder, store, killed.name, given.every), killed, moments), cells)
    for name in ("records", "cache"):
        number, size = size_of(killed / name)
        say(f"files and size of {name}", f"{number}, {size / 2**20:.0f} MiB")
    say("collecting tables", timed_call(sys.executable, "-c", _TABLES, str(killed))[1].strip())
    shutil.rmtree(killed / "cache")
    say("the same without the cache", timed_call(sys.executable, "-c", _TABLES, str(killed))[1].strip())
    say("softmode report", f"{timed_call(_script(), 'report', str(killed))[0]:.1f} s")
    page = killed / "report" / "index.html"
    say("size of the page", f"{page.stat().st_size / 2**20:.1f} MiB")
    if given.browser:
        chromium = ("chromium", "--headless", "--no-sandbox", "--disable-gpu", "--dump-dom", page.as_uri())
        say("page in Chromium", f"{timed_call(*chromium)[0]:.1f} s")
    if given.no_second_run:
        return
    say("without interruption", "")
    tell_usage(run(_timed_study(folder, store, whole.name, given.every), whole, []), cells)
    equal, different = compare(killed, whole)
    say("records equal, different", f"{equal}, {different}")
    sys.exit(different > 0)


if __name__ == "__main__":
    main()
