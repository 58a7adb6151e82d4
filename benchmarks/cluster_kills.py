"""A study through Parsl, with workers, nodes and the process that runs it killed at random: is anything lost?

    PYTHONPATH=tests/helpers:benchmarks python benchmarks/cluster_kills.py FOLDER --materials 40 --kills 12

Stand-in compounds (``scale_rehearsal.py`` makes them) with four cheap potentials, computed twice: by
workers in two jobs of Parsl's local provider, while processes are killed with SIGKILL, and by worker
processes without Parsl or interruption. What is killed is drawn: a worker, what it computes in, a whole job
(all its processes), Parsl's interchange, or the process that runs the study, which is then started again.
At the end every record of both is compared, bit for bit, and it is counted how many cells were told to be
done more than once.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

from hdp_potential import VARIANTS

from scale_rehearsal import compare, n_records, prepare, say

KINDS = ("worker", "process", "job", "interchange", "run")


def study_file(folder: Path, store: Path, name: str, run: str) -> Path:
    """The study, run in one of both ways."""
    path = folder / f"{name}.toml"
    potentials = "".join(
        f'[[potential]]\nname = "hdp_potential:CheapPotential"\nlabel = "{label}"\n'
        f"kwargs = {{{', '.join(f'{key} = {value}' for key, value in errors.items())}}}\n"
        for label, errors in VARIANTS.items()
    )
    path.write_text(
        f'name = "Kills"\noutput = "{folder / name}"\nseed = 2026\n'
        f'[dataset]\nkind = "hdp"\npath = "{store}"\noptions = {{skip = 0, every = 2}}\n{potentials}{run}'
    )
    return path


def child(path: Path) -> None:
    """Open and run a study; in a process of its own."""
    from softmode.study.folder import open_study
    from softmode.study.run import run_study
    from softmode.study.settings import load_study

    report = run_study(open_study(load_study(path)))
    print(
        json.dumps({"failed": report.failed, "total": report.total, "computed": report.computed}), flush=True
    )


def started(path: Path) -> subprocess.Popen[str]:
    """A process that runs the study."""
    return subprocess.Popen(
        [sys.executable, __file__, "--child", str(path)], stdout=subprocess.PIPE, text=True
    )


def tree(pid: int) -> dict[str, list[int]]:
    """Processes below the one that runs the study, by what they are."""
    import psutil

    found: dict[str, list[int]] = {kind: [] for kind in KINDS}
    found["run"] = [pid]
    for process in psutil.process_iter(["pid", "ppid", "cmdline", "environ"]):
        line = " ".join(process.info["cmdline"] or [])
        if "HTEX interchange" in line and process.info["ppid"] == pid:
            found["interchange"].append(process.pid)
        elif "process_worker_pool.py" in line and "-a 127.0.0.1" in line and "python" in line:
            found["job"].append(process.pid)
            for below in process.children():
                inner = [one for one in below.children() if "spawn_main" in " ".join(one.cmdline())]
                if inner:
                    found["worker"].append(below.pid)
                    found["process"] += [one.pid for one in inner]
    return found


def kill(kind: str, process: subprocess.Popen[str]) -> bool:
    """Kill one process of a kind, of a job all; False where there is none."""
    import psutil

    found = tree(process.pid)[kind]
    if not found:
        return False
    victim = random.choice(found)
    victims = [victim]
    if kind == "job":
        victims += [one.pid for one in psutil.Process(victim).children(recursive=True)]
    for pid in victims:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return True


def run_killed(
    path: Path, output: Path, kills: int, pause: float
) -> tuple[Counter[str], float, dict[str, int]]:
    """Run it to its end, with so many kills; what was killed, how long it took, what the last run said."""
    killed: Counter[str] = Counter()
    began = time.perf_counter()
    process = started(path)
    due = time.perf_counter() + pause
    while process.poll() is None or process.returncode:
        if process.poll() is not None:
            process = started(path)
        time.sleep(0.5)
        if sum(killed.values()) < kills and time.perf_counter() > due and n_records(output):
            kind = random.choice(KINDS)
            try:
                done = kill(kind, process)
            except Exception as error:  # noqa: BLE001  a process that ended meanwhile
                print(f"  {kind}: {error}", flush=True)
                continue
            if done:
                killed[kind] += 1
                due = time.perf_counter() + random.uniform(0.5, 1.5) * pause
                print(
                    f"  {time.perf_counter() - began:.0f} s: {kind}, {n_records(output)} records", flush=True
                )
    told = json.loads(process.communicate()[0].splitlines()[-1])
    return killed, time.perf_counter() - began, told


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--materials", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2, help="of each of two jobs")
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--pause", type=float, default=15.0, help="s between kills, on average")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        child(given.child)
        return
    folder = given.folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    random.seed(given.seed)
    store = prepare(folder, given.materials, 26)
    cells = given.materials * len(VARIANTS)
    say("compounds, cells", f"{given.materials}, {cells}")
    jobs = f"[run.cluster]\njobs = 2\nworkers_per_node = {given.workers}\n"
    there, here = (folder / f"{name}{given.materials}" for name in ("killed", "whole"))
    path = study_file(folder, store, there.name, jobs)
    killed, seconds, told = run_killed(path, there, given.kills, given.pause)
    say("killed", ", ".join(f"{number} × {kind}" for kind, number in killed.items()))
    say("wall time", f"{seconds:.0f} s")
    say("cells, failed", f"{told['total']}, {told['failed']}")
    lines = (there / "cluster" / "work.jsonl").read_text().splitlines()
    computed = Counter((line["material"], line["potential"]) for line in map(json.loads, lines))
    say("cells that were computed more than once", sum(number > 1 for number in computed.values()))
    began = time.perf_counter()
    child(study_file(folder, store, here.name, "[run]\nworkers = 2\n"))
    say("without Parsl or interruption, two processes", f"{time.perf_counter() - began:.0f} s")
    equal, different = compare(there, here)
    say("records equal, different", f"{equal}, {different}")
    sys.exit(different > 0 or told["failed"] > 0)


if __name__ == "__main__":
    main()
