"""``softmode md``: what it prints, interruption, continuation, and bad input."""

from __future__ import annotations

import errno
import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from ase.build import bulk
from moving_metals import moving, write_moving_metal
from tiny_study import EMT_NAME, FACTORIES, write_metal
from typer.testing import CliRunner

from softmode import files
from softmode.cli.app import app, main
from softmode.dynamics import TrajectoryWriter, read_md

QUICK = ("--steps", "60", "--sample-every", "2")
LONG = ("--steps", "400", "--sample-every", "2")
COMMAND = [sys.executable, "-c", "from softmode.cli.app import main; main()", "md"]


@pytest.fixture(scope="module")
def copper(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_metal(tmp_path_factory.mktemp("metal") / "Cu", "Cu")


def call(crystal: Path | str, output: Path, *arguments: str, potential: str = EMT_NAME) -> Any:
    return CliRunner().invoke(
        app, ["md", str(crystal), "--potential", potential, "--output", str(output), *arguments]
    )


def shown(crystal: Path | str, output: Path, *arguments: str) -> dict[str, Any]:
    result = call(crystal, output, *arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    content: dict[str, Any] = json.loads(result.stdout)
    return content


def failing(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line an error is told in."""
    monkeypatch.setattr(sys, "argv", ["softmode", "md", *arguments])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code in (1, 2)
    told = capsys.readouterr().err
    assert "Traceback" not in told
    return " ".join(told.split())


def test_json_says_everything(copper: Path, tmp_path: Path) -> None:
    content = shown(copper, tmp_path / "o", *LONG)
    assert content["status"] == "completed"
    assert content["class"] == "weak"
    low, high = content["sigma_ci95"]
    assert low < content["sigma"] < high
    assert content["settings"]["thermostat"] == "langevin"
    assert content["settings"]["discard"] == 40
    said = {name.removeprefix("settings.") for name in content["units"] if name.startswith("settings.")}
    assert said <= set(content["settings"])
    assert [replica["status"] for replica in content["replicas"]] == ["completed"] * 2
    assert content["n_frames"] == 2 * 180
    runs = [read_md(path) for path in content["trajectories"]]
    assert [run.n_frames for run in runs] == [200, 200]
    assert content["replicas"][0]["temperature_K"] == pytest.approx(
        runs[0].frames.temperature[content["replicas"][0]["equilibration_steps"] // 2 :].mean()
    )


def test_the_table_says_what_matters(copper: Path, tmp_path: Path) -> None:
    result = call(copper, tmp_path / "o", *LONG, "--format", "traj")
    assert result.exit_code == 0, result.output
    for text in ("Cu × ase.calculators.emt:EMT", "completed", "⟨σ(t)⟩", "95 % [", "class weak", "energy"):
        assert text in result.stdout, text
    assert "independent frames" in result.stderr
    for index in range(2):
        images = ase.io.read(tmp_path / "o" / f"replica_{index}.traj", index=":")
        assert len(images) == 200
        assert np.isfinite(images[-1].get_forces()).all()


def test_the_same_command_finds_the_run_and_more_steps_go_on(copper: Path, tmp_path: Path) -> None:
    first = shown(copper, tmp_path / "o", *QUICK)
    pieces = sorted(tmp_path.glob("o/replica_*/piece_*.h5"))
    times = [path.stat().st_mtime_ns for path in pieces]
    assert shown(copper, tmp_path / "o", *QUICK) == first
    assert [path.stat().st_mtime_ns for path in pieces] == times
    longer = shown(copper, tmp_path / "o", "--steps", "120", "--sample-every", "2", "--discard", "6")
    whole = shown(copper, tmp_path / "p", "--steps", "120", "--sample-every", "2", "--discard", "6")
    assert longer["sigma"] == pytest.approx(whole["sigma"], rel=1e-9)
    assert read_md(tmp_path / "o" / "replica_0").frames.n_frames == 60


def test_another_run_in_the_folder_is_refused(
    copper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown(copper, tmp_path / "o", *QUICK)
    told = failing(
        [str(copper), "--potential", EMT_NAME, "--output", str(tmp_path / "o"), *QUICK, "--temperature", "9"],
        monkeypatch,
        capsys,
    )
    assert "holds molecular dynamics of Cu" in told
    assert "--output" in told


def test_a_structure_file_with_a_supercell(tmp_path: Path) -> None:
    path = tmp_path / "Al.cif"
    ase.io.write(path, bulk("Al", "fcc", a=4.0, cubic=True))
    content = shown(path, tmp_path / "o", *QUICK, "--supercell", "2 2 2", "--relax")
    run = read_md(content["trajectories"][0])
    assert run.description.n_atoms == 8  # of the primitive cell
    # relaxed: EMT's own lattice constant, 3.995 Å (K. W. Jacobsen et al., Surf. Sci. 366, 394 (1996))
    assert abs(np.linalg.det(run.description.lattice)) / 8 == pytest.approx(3.995**3 / 4, rel=0.01)


@pytest.mark.parametrize("kind", ["cif", "vasp"])
def test_a_structure_file_of_any_name(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "crystal.dat"
    ase.io.write(path, bulk("Al", "fcc", a=4.0, cubic=True), format=kind)
    content = shown(path, tmp_path / "o", *QUICK, "--supercell", "2 2 2")
    assert read_md(content["trajectories"][0]).description.n_atoms == 8


def test_random_frames_of_a_trajectory_are_starts(tmp_path: Path) -> None:
    write_moving_metal(tmp_path / "Al", "Al")
    content = shown(
        tmp_path / "Al", tmp_path / "o", *QUICK, "--trajectory", str(tmp_path / "Al" / "run.extxyz")
    )
    truth = moving("Al")
    for index, replica in enumerate(content["replicas"]):
        start = read_md(tmp_path / "o" / f"replica_{index}").description.start
        expected = truth.rest.positions + truth.displacements[replica["start_frame"]]
        np.testing.assert_allclose(start, expected, atol=1e-8)


def test_andersen_states_the_temperature_it_samples(copper: Path, tmp_path: Path) -> None:
    content = shown(copper, tmp_path / "o", *QUICK, "--protocol", "yang2026")
    assert content["settings"]["thermostat"] == "andersen"
    assert content["sampled_temperature_K"] == pytest.approx(450.0)
    assert any("450 K" in text for text in content["replicas"][0]["warnings"])


@pytest.mark.parametrize(("probability", "told"), [(0.5, True), (0.051, True), (0.01, False)])
def test_frequent_collisions_are_told_before_a_study_computes(
    copper: Path, tmp_path: Path, probability: float, told: bool
) -> None:
    study = tmp_path / "study.toml"
    study.write_text(
        f"""measurements = ["model_only"]
[dataset]
kind = "phonopy"
path = "{copper}"
[md]
thermostat = "andersen"
collision_probability = {probability}
[[potential]]
name = "{EMT_NAME}"
"""
    )
    result = CliRunner().invoke(app, ["run", str(study), "--dry-run"])
    assert result.exit_code == 0, (result.output, result.exception)
    assert ("bring the positions to" in result.stderr) == told


def test_an_explosion_at_the_first_step_is_told(copper: Path, tmp_path: Path) -> None:
    content = shown(copper, tmp_path / "o", *QUICK, "--temperature", "1e9")
    assert content["status"] == "collapsed"
    assert content["class"] == "unstable"
    assert content["sigma"] is None
    assert "collapsed at step" in content["reason"]
    again = call(copper, tmp_path / "o", *QUICK, "--temperature", "1e9")
    assert again.exit_code == 0  # a result
    assert "collapsed" in again.stdout
    assert "lost before there is a frame" in again.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--temperature", "0"], "temperature: Input should be greater than 0"),
        (["--temperature", "-300"], "temperature: Input should be greater than 0"),
        (["--timestep", "0"], "timestep: Input should be greater than 0"),
        (["--steps", "0"], "steps: Input should be greater than"),
        (["--replicas", "0"], "replicas: Input should be greater than"),
        (["--steps", "10", "--discard", "10"], "no frame after the first 10"),
        (["--supercell", "3 3 3"], "brings its own supercell"),
        (["--protocol", "nonsense"], "nonsense"),
        (["--thermostat", "nonsense"], "nonsense"),
        (["--trajectory", "nowhere.xyz"], "nowhere.xyz"),
    ],
)
def test_bad_options(
    copper: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    message: str,
) -> None:
    given = [str(copper), "--potential", EMT_NAME, "--output", str(tmp_path / "o"), *arguments]
    assert message in failing(given, monkeypatch, capsys).replace("│", " ")
    assert not list(tmp_path.glob("o/replica_*"))


def test_supercells_that_are_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "Al.cif"
    ase.io.write(path, bulk("Al", "fcc", a=4.0, cubic=True))
    told = failing([str(path), "--potential", EMT_NAME, "--supercell", "two"], monkeypatch, capsys)
    assert "'two' is not made of integers" in told


def test_a_full_disk_in_mid_run_loses_nothing(
    copper: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = [str(copper), "--potential", EMT_NAME, "--steps", "250", "--output", str(tmp_path / "o")]
    room = [3]  # pieces

    def fill_atomically(path: Path, fill: Callable[[Path], object], **kept: str) -> None:
        def fill_while_there_is_room(temporary: Path) -> None:
            if not room[0]:
                raise OSError(errno.ENOSPC, "No space left on device")
            room[0] -= path.name.startswith("piece_")
            fill(temporary)

        original(path, fill_while_there_is_room, **kept)

    original = files.fill_atomically
    with monkeypatch.context() as patch:
        patch.setattr(files, "fill_atomically", fill_atomically)
        told = failing(arguments, patch, capsys)
    assert "the disk is full" in told
    assert "goes on from its last checkpoint" in told
    kept = {path: path.read_bytes() for path in tmp_path.glob("o/replica_*/piece_*.h5")}
    assert len(kept) == 3
    content = shown(copper, tmp_path / "o", "--steps", "250")
    assert content["status"] == "completed"
    assert all(path.read_bytes() == bytes_ for path, bytes_ in kept.items())
    assert content["sigma"] == shown(copper, tmp_path / "p", "--steps", "250")["sigma"]


@pytest.mark.parametrize("damaged", [0, 1])
def test_a_damaged_checkpoint_is_made_again(copper: Path, tmp_path: Path, damaged: int) -> None:
    expected = shown(copper, tmp_path / "o", "--steps", "250")
    path = TrajectoryWriter(tmp_path / "o" / "replica_1").path(damaged)
    path.write_bytes(path.read_bytes()[:-50])
    found = shown(copper, tmp_path / "o", "--steps", "250")
    assert found["sigma"] == expected["sigma"]
    assert found["replicas"] == expected["replicas"]


@pytest.mark.usefixtures("importable_helpers")
def test_interrupted_and_run_again(copper: Path, tmp_path: Path) -> None:
    potential = f"{FACTORIES}:sometimes_slow_emt"
    arguments = [str(copper), "--potential", potential, "--steps", "250", "--output", str(tmp_path / "o")]
    (tmp_path / "slow").touch()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        # a shell's background jobs, of which the tests may be one, ignore interrupts
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    until = time.monotonic() + 60
    while len(list(tmp_path.glob("o/replica_*/piece_*.h5"))) < 1:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "run the same command to go on" in told
    assert "Traceback" not in told
    (tmp_path / "slow").unlink()
    kept = list(tmp_path.glob("o/replica_*/piece_*.h5"))
    assert 1 <= len(kept) < 6
    times = {path: path.stat().st_mtime_ns for path in kept}
    again = subprocess.run(
        [*COMMAND, *arguments, "--json"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert {path: path.stat().st_mtime_ns for path in kept} == times
    assert json.loads(again.stdout)["sigma"] == shown(copper, tmp_path / "p", "--steps", "250")["sigma"]
