"""A potential in another environment gives what it gives here; its death, hang or noise is told apart."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import softmode_test_factories
from ase import Atoms
from ase.build import bulk
from ase.calculators.emt import EMT

from softmode.errors import (
    NonFiniteForcesError,
    PotentialError,
    TimeLimitError,
    UncoveredElementError,
    WorkerDiedError,
)
from softmode.numerics import limited_threads
from softmode.potentials import Potential, PotentialSettings, resolve
from softmode.potentials.remote import RemotePotential

HELPERS = str(Path(softmode_test_factories.__file__).parent)
EMT_NAME = "ase.calculators.emt:EMT"


@pytest.fixture(autouse=True)
def factories_there(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module of the misbehaving calculators is on the path of other interpreters too."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([HELPERS, os.environ.get("PYTHONPATH", "")]))


@pytest.fixture
def load() -> Iterator[Callable[..., Potential]]:
    """Load a potential with the interpreter that runs the tests, in a process of its own."""
    loaded: list[Potential] = []

    def start(name: str = EMT_NAME, **settings: Any) -> Potential:
        settings.setdefault("python", sys.executable)
        loaded.append(resolve(PotentialSettings(name=name, **settings)).load())
        return loaded[-1]

    yield start
    for potential in loaded:
        potential.close()


def misbehaving(what: str, **kwargs: Any) -> dict[str, Any]:
    return {"name": "softmode_test_factories:misbehaving_emt", "kwargs": {"what": what, **kwargs}}


def crystal(seed: int = 1) -> Atoms:
    atoms = bulk("Cu", cubic=True) * (2, 1, 1)
    atoms.symbols[3] = "Al"
    atoms.rattle(0.1, seed=seed)
    return atoms


def process_of(potential: Potential) -> int:
    assert isinstance(potential, RemotePotential)
    return potential.process


def runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return "Z" not in Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]


def ends(process: int, seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while runs(process) and time.monotonic() < end:
        time.sleep(0.01)
    return not runs(process)


def test_the_same_numbers_to_the_last_bit_and_the_same_records(load: Callable[..., Potential]) -> None:
    other, same = load(elements=("Cu", "Al")), load(elements=("Cu", "Al"), python="same")
    assert isinstance(other, RemotePotential)
    assert not isinstance(same, RemotePotential)
    batch = [crystal(1), crystal(2) * (2, 1, 1), crystal(3)]
    there, here = other.evaluate(batch), same.evaluate(batch)
    assert there.energies.tolist() == here.energies.tolist()
    for one, two in zip(there.forces, here.forces, strict=True):
        np.testing.assert_array_equal(one, two)
    assert (other.info, other.dtype, other.device, other.batches) == (
        *(same.info, same.dtype, same.device, same.batches),
    )
    assert other.evaluate([]).forces == ()
    for potential in (other, same):
        with pytest.raises(UncoveredElementError, match="does not cover Ni"):
            potential.evaluate([bulk("Ni")])
    one, two = (
        resolve(PotentialSettings(name=EMT_NAME, python=python)) for python in (sys.executable, "same")
    )
    assert one.digest == two.digest
    assert one.versions == two.versions


def test_the_calculator_gives_energy_forces_and_stress(load: Callable[..., Potential]) -> None:
    atoms, same = crystal(), crystal()
    atoms.calc, same.calc = load().calculator(), EMT()
    assert atoms.get_potential_energy() == same.get_potential_energy()
    np.testing.assert_array_equal(atoms.get_forces(), same.get_forces())
    np.testing.assert_array_equal(atoms.get_stress(), same.get_stress())
    assert atoms.get_potential_energy(force_consistent=True) == same.get_potential_energy(
        force_consistent=True
    )


def test_threads_are_those_of_this_process(load: Callable[..., Potential]) -> None:
    potential = load()
    assert isinstance(potential, RemotePotential)
    for threads in (1, 2):
        with limited_threads(threads):
            assert {pool["threads"] for pool in potential.arithmetic()["blas"]} == {threads}


def test_what_it_prints_reaches_the_log_alone(
    load: Callable[..., Potential], capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, logger="softmode"):
        potential = load(**misbehaving("print"))
        result = potential.evaluate([crystal()])
        potential.close()
        deadline = time.monotonic() + 5
        while "last words" not in caplog.text and time.monotonic() < deadline:
            time.sleep(0.01)
    assert result.energies[0] == crystal_energy()
    assert "written without Python" in caplog.text
    assert capfd.readouterr() == ("", "")


def crystal_energy() -> float:
    atoms = crystal()
    atoms.calc = EMT()
    return float(atoms.get_potential_energy())


@pytest.mark.parametrize(
    ("what", "how"), [("exit", "ended with exit status 7"), ("abort", r"was killed \(SIGABRT\)")]
)
def test_a_death_is_told_and_another_process_goes_on(
    what: str, how: str, load: Callable[..., Potential], tmp_path: Path
) -> None:
    potential = load(**misbehaving(what, marker=str(tmp_path / "marker")))
    first = process_of(potential)
    with pytest.raises(
        WorkerDiedError, match=f"misbehaving_emt: .*{how} at 1 configuration.*last words"
    ) as caught:
        potential.evaluate([crystal()])
    assert "\n" not in str(caught.value)
    assert ends(first)
    assert potential.evaluate([crystal()]).energies[0] == crystal_energy()
    assert process_of(potential) != first


def test_a_process_killed_from_outside_is_told(load: Callable[..., Potential]) -> None:
    potential = load("softmode_test_factories:slow_emt", kwargs={"seconds": 60})
    killer = subprocess.Popen(["sh", "-c", f"sleep 0.3; kill -KILL {process_of(potential)}"])
    with pytest.raises(WorkerDiedError, match="SIGKILL, as when memory runs out"):
        potential.evaluate([crystal()])
    killer.wait()


def test_one_that_hangs_is_ended_at_its_time_limit(load: Callable[..., Potential], tmp_path: Path) -> None:
    potential = load(**misbehaving("hang", marker=str(tmp_path / "marker")), time_limit=5)
    potential._resolved.settings.__dict__["time_limit"] = 0.2  # loading takes longer than that
    process = process_of(potential)
    started = time.monotonic()
    with pytest.raises(TimeLimitError, match=r"2 configurations took longer than 0\.4 s.*time_limit"):
        potential.evaluate([crystal(), crystal()])
    assert time.monotonic() - started < 5
    assert ends(process)


def test_loading_has_the_time_limit_too() -> None:
    with pytest.raises(TimeLimitError, match=r"loading took longer than 0\.01 s"):
        resolve(PotentialSettings(name=EMT_NAME, python=sys.executable, time_limit=0.01)).load()


def test_wrong_shapes_and_numbers_are_errors_as_they_are_here(load: Callable[..., Potential]) -> None:
    for python in (sys.executable, "same"):
        with pytest.raises(PotentialError, match=r"returned energies .* and forces"):
            load(**misbehaving("shape"), python=python).evaluate([crystal()])
        with pytest.raises(NonFiniteForcesError, match="configuration 0, 1 of 2") as caught:
            load("softmode_test_factories:nan_emt", python=python).evaluate([crystal(), crystal()])
        assert caught.value.configurations == (0, 1)
        with pytest.raises(PotentialError, match="RuntimeError: no"):
            load("softmode_test_factories:raising_emt", kwargs={"message": "no"}, python=python).evaluate(
                [crystal()]
            )


def test_forces_in_float32_arrive_as_they_are(load: Callable[..., Potential]) -> None:
    forces = load(**misbehaving("float32")).evaluate([crystal()]).forces[0]
    atoms = crystal()
    atoms.calc = EMT()
    assert forces.dtype == np.float64
    np.testing.assert_array_equal(forces, atoms.get_forces().astype(np.float32))


def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    """Killed, so that nothing can be cleaned up, while the potential is asleep in an evaluation."""
    script = (
        "import sys; from ase.build import bulk; from softmode.potentials import PotentialSettings, resolve\n"
        "settings = PotentialSettings(name='softmode_test_factories:slow_emt', kwargs={'seconds': 60},"
        " python=sys.executable)\n"
        "potential = resolve(settings).load()\n"
        "print(potential.process, flush=True)\n"
        "potential.evaluate([bulk('Cu')])\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    process = int(parent.stdout.readline())
    time.sleep(0.3)
    assert runs(process)
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    assert ends(process)


def test_a_potential_that_is_dropped_ends_its_process(load: Callable[..., Potential]) -> None:
    potential = resolve(PotentialSettings(name=EMT_NAME, python=sys.executable)).load()
    process = process_of(potential)
    assert runs(process)
    del potential
    assert ends(process)


def test_a_family_of_a_plugin_that_is_not_installed_there(
    installed_plugin: Callable[[str], None], load: Callable[..., Potential], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its declaration is given to the other side; its package must be there."""
    installed_plugin("morse")
    there, here = load("morse-cu"), load("morse-cu", python="same")
    atoms = bulk("Cu") * (2, 2, 2)
    assert there.evaluate([atoms]).energies[0] == here.evaluate([atoms]).energies[0]
    monkeypatch.setenv("PYTHONPATH", HELPERS)
    with pytest.raises(
        PotentialError, match=r"softmode-morse is not installed in the environment of .*pip install"
    ):
        load("morse-cu")
