"""``softmode map``: what it writes and says, a killed run, and bad input."""

from __future__ import annotations

import csv
import gzip
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
import pytest
from moving_metals import moving, phonopy_hessian, supercell, write_moving_metal
from numpy.typing import NDArray
from report_page import charts_of, document_of, table_of
from tiny_study import EMT_NAME, write_metal
from typer.testing import CliRunner

from softmode.cli.app import app, main
from softmode.records import RecordStore

MD = ("--steps", "40", "--sample-every", "2")
SMALL = ("--r-cut", "4", "--n-max", "4", "--l-max", "3", "--sigma", "0.4")


def write_frames(
    path: Path, symbol: str = "Al", n_frames: int = 30, amplitude: float = 0.05, seed: int = 1
) -> Path:
    ase.io.write(path, moving(symbol, n_frames, amplitude, seed).frames())
    return path


@pytest.fixture(scope="module")
def clouds(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("clouds")
    return write_frames(root / "cold.extxyz"), write_frames(root / "hot.extxyz", amplitude=0.09, seed=2)


def call(*arguments: Path | str) -> Any:
    return CliRunner().invoke(app, ["map", *map(str, arguments), *SMALL])


def shown(*arguments: Path | str) -> dict[str, Any]:
    result = call(*arguments, "--json")
    assert result.exit_code == 0, (result.output, result.exception)
    content: dict[str, Any] = json.loads(result.stdout)
    return content


def failing(arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """The one line an error is told in."""
    monkeypatch.setattr(sys, "argv", ["softmode", "map", *arguments, *SMALL])
    with pytest.raises(SystemExit) as leaving:
        main()
    assert leaving.value.code in (1, 2)
    told = capsys.readouterr().err
    assert "Traceback" not in told
    return " ".join(told.split())


def kernel_file(folder: Path) -> Path:
    [path] = (folder / "records").glob("*/*.h5")
    return path


def matrix(folder: Path) -> NDArray[np.float64]:
    record = RecordStore(folder / "records").read(kernel_file(folder).stem)
    return np.asarray(record.arrays["dissimilarities"])


def test_everything_is_written(clouds: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "o"
    content = shown(*clouds, "--output", folder)
    assert {path.name for path in folder.iterdir()} == {
        "run.json",
        "records",
        "coordinates.csv",
        "overlap.json",
        "map_trajectories.png",
        "map_trajectories.pdf",
        "map.html",
        "files.json",
        "tables",
        "chemiscope.json.gz",
        "chemiscope.html",
    }
    d = matrix(folder)
    assert d.shape == (60, 60)
    np.testing.assert_array_equal(d, d.T)
    assert not np.diag(d).any()
    assert content["settings"]["soap"]["r_cut"] == 4.0
    with (folder / "coordinates.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))
    assert [row["label"] for row in rows] == ["cold"] * 30 + ["hot"] * 30
    assert [int(row["frame"]) for row in rows] == 2 * list(range(30))
    assert all(row["sigma_t"] == "" for row in rows)
    points = np.array([[float(row["component_1"]), float(row["component_2"])] for row in rows])
    np.testing.assert_allclose(points.mean(axis=0), 0.0, atol=1e-9)
    [overlap] = content["overlaps"]
    assert overlap["mmd2_biased"] == pytest.approx(
        2 * d[:30, 30:].mean() - d[:30, :30].mean() - d[30:, 30:].mean()
    )
    assert json.loads((folder / "overlap.json").read_text())["overlaps"] == [overlap]
    viewed = json.loads(gzip.decompress((folder / "chemiscope.json.gz").read_bytes()))
    assert len(viewed["structures"]) == 60
    np.testing.assert_allclose(viewed["properties"]["component 1"]["values"], points[:, 0], atol=1e-9)
    page = document_of(folder / "map.html")
    chart = charts_of(page)["map"]
    assert chart["clouds"] == ["cold", "hot"]
    np.testing.assert_allclose(np.column_stack([chart["x"], chart["y"]]), points, rtol=1e-5, atol=1e-12)
    assert [one["coordinates"]["shape"][0] for one in chart["structures"]] == [30, 30]
    [row] = table_of(page, "overlaps")
    assert row["MMD², relative"] == f"{overlap['mmd2_relative']:.3g}"
    assert 'src="http' not in (folder / "chemiscope.html").read_text(encoding="utf-8")


def test_hotter_frames_are_apart_and_halves_are_not(clouds: tuple[Path, Path], tmp_path: Path) -> None:
    other = write_frames(tmp_path / "same.extxyz", n_frames=30, seed=7)
    result = call(clouds[0], other, clouds[1], "--output", tmp_path / "o", "--threads", "1")
    assert result.exit_code == 0, result.output
    found = {
        (o["first"], o["second"]): o
        for o in json.loads((tmp_path / "o/overlap.json").read_text())["overlaps"]
    }
    assert set(found) == {("cold", "same"), ("cold", "hot"), ("same", "hot")}
    assert found["cold", "hot"]["mmd2_relative"] > 5 * abs(found["cold", "same"]["mmd2_relative"])
    assert found["cold", "hot"]["neighbour_separation"] > found["cold", "same"]["neighbour_separation"] + 0.2
    for text in ("cold – hot", "MMD²", "foreign to the first cloud", "map.html"):
        assert text in result.stdout, text


def test_frames_are_coloured_by_sigma(tmp_path: Path) -> None:
    """σ(t) is that of phonopy's own force constants; a file in another atom order is put right."""
    folder = tmp_path / "Al"
    truth = write_moving_metal(folder, "Al", 1.3, n_frames=20, amplitude=0.05)
    shuffled = [frame[::-1] for frame in truth.frames()]
    for frame, forces in zip(shuffled, truth.forces, strict=True):
        from ase.calculators.singlepoint import SinglePointCalculator

        frame.calc = SinglePointCalculator(frame, energy=0.0, forces=forces[::-1])
    ase.io.write(tmp_path / "reversed.extxyz", shuffled)
    content = shown(
        folder / "run.extxyz",
        tmp_path / "reversed.extxyz",
        "--force-constants",
        folder,
        "--output",
        tmp_path / "o",
    )
    expected = truth.sigma_t(phonopy_hessian(folder, symmetrise=False))
    assert [cloud["sigma_mean_t"] for cloud in content["clouds"]] == pytest.approx(
        [expected.mean()] * 2, rel=1e-3
    )
    with (tmp_path / "o" / "coordinates.csv").open(newline="") as table:
        sigma_t = [float(row["sigma_t"]) for row in csv.DictReader(table)]
    np.testing.assert_allclose(sigma_t, np.tile(expected, 2), rtol=2e-3)
    d = matrix(tmp_path / "o")
    assert np.abs(np.diag(d[:20, 20:])).max() < 1e-9  # the same frames
    assert {"map_sigma.png", "map_sigma.pdf", "map_foreign.png"} <= {
        p.name for p in (tmp_path / "o").iterdir()
    }


def test_one_trajectory_is_a_map_without_overlap(clouds: tuple[Path, Path], tmp_path: Path) -> None:
    content = shown(clouds[0], "--output", tmp_path / "o")
    assert content["overlaps"] == []
    assert content["foreign_to_first"] == []
    with (tmp_path / "o" / "coordinates.csv").open(newline="") as table:
        assert {row["foreignness"] for row in csv.DictReader(table)} == {""}


def test_labels_join_runs_and_frames_are_chosen(clouds: tuple[Path, Path], tmp_path: Path) -> None:
    third = write_frames(tmp_path / "third.extxyz", n_frames=20, seed=9)
    content = shown(
        *clouds, third, *("--labels", "a", "--labels", "b", "--labels", "a"), "--every", "2", "--skip", "4",
        "--output", tmp_path / "o",
    )  # fmt: skip
    assert [(c["label"], c["run_lengths"]) for c in content["clouds"]] == [("a", [13, 8]), ("b", [13])]


def test_dynamics_of_softmode_is_read(tmp_path: Path) -> None:
    metal = write_metal(tmp_path / "Al", "Al")
    made = CliRunner().invoke(
        app,
        ["md", str(metal), "--potential", EMT_NAME, "--output", str(tmp_path / "md"), *MD],
    )
    assert made.exit_code == 0, made.output
    frames = write_frames(tmp_path / "reference.extxyz", n_frames=20)
    content = shown(frames, tmp_path / "md", "--every", "2", "--skip", "4", "--output", tmp_path / "o")
    assert [(c["label"], c["run_lengths"]) for c in content["clouds"]] == [("reference", [8]), ("md", [8, 8])]


def test_a_second_run_computes_nothing(clouds: tuple[Path, Path], tmp_path: Path) -> None:
    folder = tmp_path / "o"
    shown(*clouds, "--output", folder)
    before = kernel_file(folder).stat().st_mtime_ns
    again = shown(*clouds, "--output", folder)
    assert kernel_file(folder).stat().st_mtime_ns == before
    assert again["predicted_seconds"] is None


_KILLS_ITSELF = """
import os, signal, sys
from functools import partial
import softmode.configurations.kernel as kernel
from softmode.measurements.map import kernel as map_kernel
kernel.plan_tiles = partial(kernel.plan_tiles, largest=16)
save, left = map_kernel._save, [int(sys.argv.pop(1))]
def saving(*arguments):
    save(*arguments)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)
map_kernel._save = saving
from softmode.cli.app import main
main()
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit(clouds: tuple[Path, Path], tmp_path: Path) -> None:
    """Killed after four of ten tiles; then to the end."""

    def run(folder: Path, tiles: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", _KILLS_ITSELF, str(tiles), "map", *map(str, clouds), *SMALL]
        return subprocess.run(
            [*command, "--output", str(folder)], capture_output=True, text=True, timeout=120, check=False
        )

    killed = run(tmp_path / "killed", 4)
    assert killed.returncode == -signal.SIGKILL
    assert not list((tmp_path / "killed" / "records").glob("*/*.h5"))
    assert len(list((tmp_path / "killed" / "records").glob("*/*.partial/*.npz"))) == 5
    for folder in ("killed", "whole"):
        done = run(tmp_path / folder, 1000)
        assert done.returncode == 0, done.stderr
        assert not list((tmp_path / folder / "records").glob("*/*.partial"))
        assert "describing" not in done.stderr  # no terminal: silent
    assert matrix(tmp_path / "killed").tobytes() == matrix(tmp_path / "whole").tobytes()
    coordinates = [(tmp_path / name / "coordinates.csv").read_bytes() for name in ("killed", "whole")]
    assert coordinates[0] == coordinates[1]


def test_a_folder_of_another_map_is_left_alone(
    clouds: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "o"
    shown(*clouds, "--output", folder)
    before = kernel_file(folder).read_bytes()
    told = failing([*map(str, clouds), "--output", str(folder), "--alpha", "0.1"], monkeypatch, capsys)
    assert "holds a map of cold, hot, or with other settings" in told
    assert kernel_file(folder).read_bytes() == before


def bad(kind: str, folder: Path) -> tuple[list[str], str]:
    """Arguments, and what is said of them."""
    good = write_frames(folder / "good.extxyz", n_frames=6)
    other = folder / "other.extxyz"
    if kind == "composition":
        return [str(good), str(write_frames(other, "Cu", 6))], "is of Cu8, but good.extxyz of Al8"
    if kind == "single frame":
        return [str(write_frames(other, n_frames=1))], "has a single frame"
    if kind == "single frame of two":
        return [str(good), str(write_frames(other, n_frames=1))], "one of the clouds is a single frame"
    if kind == "identical":
        ase.io.write(other, moving("Al", 1).frames() * 6)
        return [str(other)], "all 6 frames are the same configuration"
    if kind == "nan":
        frames = moving("Al", 6).frames()
        frames[3].positions[2, 1] = np.nan
        ase.io.write(other, frames)
        return [str(good), str(other)], "in frame 3 (counted from 0)"
    if kind == "memory":
        return [str(good), "--memory", "1e-6"], "or allow more memory"
    if kind == "labels":
        return [str(good), "--labels", "a", "--labels", "b"], "2 labels for 1 trajectories"
    if kind == "twice":
        return [str(good), str(good)], "it is given twice"
    if kind == "supercell alone":
        ase.io.write(folder / "SPOSCAR", supercell("Al"), format="vasp")
        return [str(good), "--supercell", str(folder / "SPOSCAR")], "needs force constants"
    if kind == "another crystal":
        metal = write_metal(folder / "Cu", "Cu")
        return [str(good), "--force-constants", str(metal)], "holds Al8, but the supercell Cu8"
    if kind == "alpha":
        return [str(good), "--alpha", "-1"], "alpha"
    return [str(folder / "nothing.extxyz")], "there is no such file"


@pytest.mark.parametrize(
    "kind",
    [
        "composition", "single frame", "single frame of two", "identical", "nan", "memory", "labels", "twice",
        "supercell alone", "another crystal", "alpha", "no file",
    ],
)  # fmt: skip
def test_bad_input_is_one_clear_line(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    arguments, said = bad(kind, tmp_path)
    assert said in failing(arguments, monkeypatch, capsys)
    assert not list((tmp_path / "map" / "good").rglob("*.h5"))


@pytest.mark.parametrize("package", ["dscribe", "sklearn", "chemiscope"])
def test_what_is_not_installed_is_said_first(
    package: str,
    clouds: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    told = failing([*map(str, clouds), "--output", str(tmp_path / "o")], monkeypatch, capsys)
    assert "not installed" in told
    assert "pip install 'softmode[maps]'" in told
    assert not (tmp_path / "o").exists()


def test_a_folder_that_cannot_be_written(
    clouds: tuple[Path, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "file").write_text("in the way")
    output = tmp_path / "file" / "o"
    told = failing([*map(str, clouds), "--output", str(output)], monkeypatch, capsys)
    assert "cannot be written" in told
