"""Kills at random moments: the whole process group of a study, again and again, until it is done.

``SOFTMODE_ATTACK_KILLS`` says how many (100), ``SOFTMODE_ATTACK_SEED`` when.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from moving_metals import MOVING, write_moving_metal
from tiny_study import factory, record_times, study_toml, tiny_study

from softmode.study.folder import Study, reopen_study
from softmode.study.settings import StudySettings

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not hasattr(os, "killpg"), reason="needs process groups"),
    pytest.mark.usefixtures("importable_helpers"),
]

KILLS = int(os.environ.get("SOFTMODE_ATTACK_KILLS", "100"))
SEED = int(os.environ.get("SOFTMODE_ATTACK_SEED", "2026"))
METALS = ("Cu",)
CHEAP = (factory("fresh_emt", "emt"), factory("fresh_emt", "soft", factor=0.9))
REAL = ({"name": "chgnet"},)
#: A run without its report, which holds no results; of cells without a result it says the reasons.
RUN = """
import sys
from pathlib import Path

from softmode.study.folder import open_study
from softmode.study.run import run_study
from softmode.study.settings import load_study

reasons = []
def told(case, outcome):
    if outcome.failure is not None:
        reasons.append(f"{case.material.name}, {case.label}: {outcome.failure}")

if __name__ == "__main__":
    run_study(open_study(load_study(Path(sys.argv[1]))), told)
    sys.exit("\\n".join(reasons) or 0)
"""
SOAP = {"r_cut": 4.0, "n_max": 3, "l_max": 2, "sigma": 0.4}


@dataclass
class Tally:
    """What a series of kills did."""

    kills: int = 0
    whole: int = 0
    records: int = 0
    seconds: float = 0.0
    killed_at: list[float] = field(default_factory=list)
    kept: int = 0


def settings_of(data: Path, output: Path, potentials: Sequence[dict[str, Any]], steps: int) -> StudySettings:
    """σ, dynamics and a map: short ones."""
    return tiny_study(
        data,
        output,
        *potentials,
        options=MOVING,
        measurements=["harmonic", "sigma", "model_only", "map"],
        md={"steps": steps, "sample_every": 2, "discard": steps // 10, "checkpoint_every": steps // 10},
        map={"soap": SOAP, "model_every": 2},
        run={"workers": 2},
    )


def start(study_file: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", RUN, str(study_file)]
    return subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )


def run_whole(study_file: Path) -> float:
    """Run a study to its end; how long it took, s."""
    started = time.monotonic()
    process = start(study_file)
    error = process.communicate()[1]
    assert process.returncode == 0, error
    return time.monotonic() - started


def contents(study: Study) -> dict[str, tuple[str, dict[str, tuple[str, tuple[int, ...], bytes]]]]:
    """What every record holds, bit for bit (NaN too), without when and how fast it was made."""
    found = {}
    for path in study.store.root.glob("*/*.h5"):
        record = study.store.read(path.stem)
        arrays = {name: (a.dtype.str, a.shape, a.tobytes()) for name, a in record.arrays.items()}
        assert record.ok, f"{record.measurement} {record.failure}"
        found[path.stem] = (repr(sorted(record.values.items())), arrays)
    return found


def check_records(folder: Path, truth: dict[str, Any], before: dict[str, int]) -> dict[str, int]:
    """Every record there reads, is what an undisturbed run has, and no earlier one is gone or made again."""
    if not (folder / "study.json").exists() or not (folder / "potentials.json").exists():
        assert not before
        return {}
    study = reopen_study(folder)
    for key, content in contents(study).items():
        assert content == truth[key], key
    times = record_times(study)
    assert {key: times[key] for key in before} == before
    return times


def killed_series(
    root: Path, potentials: Sequence[dict[str, Any]], kills: int, steps: int, rng: random.Random
) -> Tally:
    """Studies that are killed at random moments and resumed, one after another until there were `kills`."""
    for symbol in METALS:
        write_moving_metal(root / "data" / symbol, symbol)

    def study_file(name: str) -> Path:
        settings = settings_of(root / "data", root / name, potentials, steps)
        return study_toml(root / f"{name}.toml", settings)

    once = run_whole(study_file("undisturbed"))
    truth = contents(reopen_study(root / "undisturbed"))
    tally = Tally(records=len(truth), seconds=once)
    while tally.kills < kills:
        name = f"killed{tally.whole}"
        path, times, attempts = study_file(name), {}, 0
        while tally.kills < kills and attempts < 25:
            moment = rng.uniform(0.0, 0.8 * once)
            process = start(path)
            attempts += 1
            try:
                error = process.communicate(timeout=moment)[1]
                assert process.returncode == 0, error
                break
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
            tally.kills += 1
            tally.killed_at.append(moment)
            times = check_records(root / name, truth, times)
            tally.kept += len(times)
        run_whole(path)
        times = check_records(root / name, truth, times)
        assert times.keys() == truth.keys()
        tally.whole += 1
    return tally


@pytest.mark.parametrize(
    ("potentials", "kills", "steps"),
    [
        pytest.param(CHEAP, KILLS - KILLS // 10, 100, id="cheap"),
        pytest.param(REAL, KILLS // 10, 40, id="real", marks=pytest.mark.real_potential),
    ],
)
def test_nothing_is_lost_whenever_a_study_is_killed(
    tmp_path: Path, potentials: Sequence[dict[str, Any]], kills: int, steps: int
) -> None:
    if potentials is REAL:
        pytest.importorskip("chgnet")
    tally = killed_series(tmp_path, potentials, kills, steps, random.Random(SEED))
    print(  # noqa: T201
        f"{tally.kills} kills of {tally.whole} studies of {tally.records} records ({tally.seconds:.1f} s), "
        f"{min(tally.killed_at):.2f} to {max(tally.killed_at):.2f} s after the start; "
        f"{tally.kept} records found whole after them, none lost, none unreadable, none different"
    )
