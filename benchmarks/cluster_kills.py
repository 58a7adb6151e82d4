"""A study through Parsl, with workers, hosts and the process that runs it killed at random: is anything lost?

    PYTHONPATH=tests/helpers:benchmarks python benchmarks/cluster_kills.py FOLDER --materials 40 --kills 12
    PYTHONPATH=tests/helpers:benchmarks python benchmarks/cluster_kills.py FOLDER --hosts 3 --stale

Stand-in compounds (``scale_rehearsal.py`` makes them) with four cheap potentials, computed twice: by
workers in two jobs of Parsl, while processes are killed with SIGKILL, and by worker processes without Parsl
or interruption, unless an earlier run of the latter is there and complete. What is killed is drawn: a worker,
what it computes in, a whole job (all its processes), Parsl's interchange, or the process that runs the study,
which is then started again. At the end every record of both is compared, bit for bit, and it is counted how
many cells were told to be done more than once.

The jobs are those of Parsl's local provider. With ``--hosts`` (root of Linux) they are those of its provider
for Slurm and last some minutes; its commands start them on hosts of this machine, each with a network, a name
and processes of its own (``pretended_hosts.py``), and whole hosts are killed, too, and start again after a
minute. With ``--stale`` the study lies on a file system of its own that once hangs for 65 s, and once is full
for 30 s.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from hdp_potential import VARIANTS

from pretended_hosts import Hosts, freeze, full, mounted
from scale_rehearsal import n_records, prepare, say
from standin_study import child, compare, complete, study_file

KINDS = ("worker", "process", "job", "interchange", "run")
_DOWN = 60.0  # s that a host is
_HANGS, _FULL = 65.0, 30.0  # s that a file system does, is


def started(path: Path) -> subprocess.Popen[str]:
    """A process that runs the study."""
    return subprocess.Popen(
        [sys.executable, __file__, "--child", str(path)], stdout=subprocess.PIPE, text=True
    )


def tree(pid: int, output: Path) -> dict[str, list[int]]:
    """Processes of a study by what they are; `pid` is the one that runs it."""
    import psutil

    found: dict[str, list[int]] = {kind: [] for kind in KINDS}
    found["run"] = [pid]
    for process in psutil.process_iter(["pid", "ppid", "cmdline"]):
        line = " ".join(process.info["cmdline"] or [])
        if "HTEX interchange" in line and process.info["ppid"] == pid:
            found["interchange"].append(process.pid)
        elif "process_worker_pool.py" in line and str(output) in line and line.startswith("/"):
            found["job"].append(process.pid)
            for below in process.children():
                inner = [one for one in below.children() if "spawn_main" in " ".join(one.cmdline())]
                if inner:
                    found["worker"].append(below.pid)
                    found["process"] += [one.pid for one in inner]
    return found


@dataclass
class Trouble:
    """What goes wrong on purpose, and when.

    Parameters
    ----------
    output : Path
        Folder of the study.
    kills : int
        How many processes, or hosts, are killed.
    pause : float
        s between kills, on average.
    hosts : Hosts, optional
        That may be killed.
    place : Path, optional
        File system that hangs once, and once is full.
    """

    output: Path
    kills: int
    pause: float
    hosts: Hosts | None = None
    place: Path | None = None
    killed: Counter[str] = field(default_factory=Counter)
    down: dict[str, float] = field(default_factory=dict)
    began: float = field(default_factory=time.perf_counter)

    def __post_init__(self) -> None:
        self.due = self.began + self.pause
        self.troubles: list[Callable[[], None]] = [self._hang, self._fill] if self.place else []

    @property
    def over(self) -> bool:
        """Whether nothing more will go wrong."""
        return self.killed.total() >= self.kills and not self.troubles and not self.down

    def look(self, process: subprocess.Popen[str]) -> None:
        """Do what is due."""
        now = time.perf_counter()
        for name, since in list(self.down.items()):
            if self.hosts is not None and now > since + _DOWN:
                self.hosts.start(name)
                del self.down[name]
        if now < self.due or not n_records(self.output):
            return
        if self.troubles and self.killed.total() >= self.kills // (1 + len(self.troubles)):
            self.troubles.pop(0)()
        elif self.killed.total() < self.kills:
            kind = random.choice([*KINDS, *(["host"] * 2 if self.hosts and not self.down else [])])
            if not (self._kill_host() if kind == "host" else self._kill(kind, process)):
                return
            self.killed[kind] += 1
            self._tell(kind)
        else:
            return
        self.due = time.perf_counter() + random.uniform(0.5, 1.5) * self.pause

    def _tell(self, what: str) -> None:
        gone = time.perf_counter() - self.began
        print(f"  {gone:.0f} s: {what}, {n_records(self.output)} records", flush=True)

    def _kill_host(self) -> bool:
        assert self.hosts is not None
        name = random.choice(self.hosts.names)
        self.hosts.kill(name)
        self.down[name] = time.perf_counter()
        return True

    def _kill(self, kind: str, process: subprocess.Popen[str]) -> bool:
        """Kill one process of a kind, of a job all; False where there is none."""
        import psutil

        try:
            found = tree(process.pid, self.output)[kind]
            victims = [random.choice(found)] if found else []
            if kind == "job" and victims:
                victims += [one.pid for one in psutil.Process(victims[0]).children(recursive=True)]
        except psutil.NoSuchProcess:  # it ended meanwhile
            return False
        for pid in victims:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return bool(victims)

    def _hang(self) -> None:
        assert self.place is not None
        self._tell(f"the file system hangs for {_HANGS:.0f} s")
        freeze(self.place)
        time.sleep(_HANGS)
        freeze(self.place, thaw=True)

    def _fill(self) -> None:
        assert self.place is not None
        self._tell(f"the file system is full for {_FULL:.0f} s")
        with full(self.place):
            time.sleep(_FULL)


def run_troubled(path: Path, trouble: Trouble) -> tuple[float, dict[str, int], int]:
    """Run a study to its end; how long it took, what the last run said, how often it was started again."""
    process, again = started(path), 0
    while process.poll() is None or process.returncode:
        if process.poll() is not None:
            if process.returncode != -signal.SIGKILL:
                raise SystemExit(f"the run ended by itself, status {process.returncode}")
            process, again = started(path), again + 1
        time.sleep(0.5)
        trouble.look(process)
    told = json.loads(process.communicate()[0].splitlines()[-1])
    return time.perf_counter() - trouble.began, told, again


@contextlib.contextmanager
def places(folder: Path, given: argparse.Namespace) -> Iterator[tuple[Path, Path | None, Hosts | None]]:
    """Where the study goes, the file system that is troubled, and the hosts."""
    with contextlib.ExitStack() as stack:
        place = stack.enter_context(mounted(folder, 4096)) if given.stale else None
        hosts = stack.enter_context(Hosts(folder, given.hosts)) if given.hosts else None
        if hosts is not None:
            os.environ["PATH"] = hosts.path
        yield place or folder, place, hosts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?")
    parser.add_argument("--materials", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2, help="of each job")
    parser.add_argument("--kills", type=int, default=12)
    parser.add_argument("--pause", type=float, default=15.0, help="s between kills, on average")
    parser.add_argument("--hosts", type=int, default=0, help="on so many hosts, through Slurm's commands")
    parser.add_argument("--walltime", default="00:03:00", help="of the jobs on hosts")
    parser.add_argument("--stale", action="store_true", help="a file system that hangs, and is full")
    parser.add_argument(
        "--measurements", nargs="+", default=(), help="of the study, instead of all of its own"
    )
    parser.add_argument("--against", type=Path, help="folder of a complete study to compare with")
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
    provider = f'provider = "slurm"\nwalltime = "{given.walltime}"\n' if given.hosts else ""
    jobs = f"[run.cluster]\njobs = {given.hosts or 2}\nworkers_per_node = {given.workers}\n{provider}"
    whole = given.against or folder / f"whole{given.materials}"
    with places(folder, given) as (where, place, hosts):
        there = where / f"killed{given.materials}"
        trouble = Trouble(there, given.kills, given.pause, hosts, place)
        path = study_file(where, store, there.name, run=jobs, measurements=given.measurements)
        seconds, told, again = run_troubled(path, trouble)
        say("killed", ", ".join(f"{number} × {kind}" for kind, number in trouble.killed.items()) or "nothing")
        say("all that was to go wrong has", "yes" if trouble.over else "no: it was over before")
        say("wall time; started again", f"{seconds:.0f} s; {again} times")
        say("cells, failed", f"{told['total']}, {told['failed']}")
        tell_work(there)
        if not complete(whole):
            began = time.perf_counter()
            alone = "[run]\nworkers = 2\n"
            child(study_file(whole.parent, store, whole.name, run=alone, measurements=given.measurements))
            say("without Parsl or interruption, two processes", f"{time.perf_counter() - began:.0f} s")
        equal, different = compare(there, whole)
    say("records equal, different", f"{equal}, {different}")
    sys.exit(different > 0 or told["failed"] > 0)


def tell_work(folder: Path) -> None:
    """What is noted of who computed what."""
    lines = (folder / "cluster" / "work.jsonl").read_text().splitlines()
    work = [line for line in map(json.loads, lines) if "seconds" in line]
    computed = Counter((line["material"], line["potential"]) for line in work)
    say("cells that were computed more than once", sum(number > 1 for number in computed.values()))
    hosts = Counter(line.get("host", "") for line in work)
    say("cells by host", ", ".join(f"{host} {number}" for host, number in sorted(hosts.items())))


if __name__ == "__main__":
    main()
