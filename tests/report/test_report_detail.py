"""What the page of a material shows: as the records have it."""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_study import emt, factory, run_tiny, tiny_study
from typer.testing import CliRunner

from softmode.charts import Packed
from softmode.cli.app import app
from softmode.harmonic import BandPath
from softmode.packed_matrices import unpack
from softmode.report import detail_parts
from softmode.report.detail_bands import TOLERANCE, shown_points
from softmode.report.detail_parts import Parts, decoded, parts_of
from softmode.study.folder import Study, reopen_study


@pytest.fixture(scope="module")
def study(tiny_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Study:
    potentials = (emt(), factory("scaled_emt", "soft", factor=0.9), factory("nan_emt", "nan"))
    folder = tmp_path_factory.mktemp("detail") / "run"
    return run_tiny(tiny_study(tiny_dataset, folder, *potentials, ids=["Al", "Cu"]))[0]


@pytest.fixture(scope="module")
def details(study: Study) -> dict[str, Any]:
    parts = parts_of(reopen_study(study.folder))
    return {one["material"]: one for part in parts.encoded for one in decoded(part)}


def read(packed: dict[str, Any]) -> Any:
    return unpack(Packed(**packed | {"shape": tuple(packed["shape"])}))


def test_bands_are_those_of_the_records(study: Study, details: dict[str, Any]) -> None:
    bands = details["Cu"]["bands"]
    assert [one["potential"] for one in bands["potentials"]] == ["emt", "soft"]  # the third has failed
    for own in bands["potentials"]:
        record = study.result("Cu", own["potential"], "harmonic")
        assert record is not None
        assert np.allclose(bands["x"], record.arrays["distances"], atol=1e-6)  # so few that all are drawn
        for packed, name in ((own["frequencies"], "model"), (bands["reference"], "reference")):
            there = record.arrays[f"frequencies_{name}"]
            assert np.abs(read(packed) - there.T).max() < 1.01 * TOLERANCE
            assert np.isclose(read(packed).min(), there.min(), atol=TOLERANCE)
            assert np.isclose(read(packed).max(), there.max(), atol=TOLERANCE)
        assert own["noise"] == record.values["noise_floor_model_THz"]
    labels = [tick["label"] for tick in bands["ticks"]]
    assert labels[0] == "Γ"
    assert any("|" in label for label in labels)  # fcc has a path with a break
    assert len(bands["breaks"]) == sum("|" in label for label in labels)
    assert all(bands["x"][place] == bands["x"][place - 1] for place in bands["breaks"])


def test_points_that_are_drawn_hold_ends_and_extremes() -> None:
    path = BandPath(np.zeros((300, 3)), np.arange(300.0), (("A", "B"),) * 6, 50)
    reference = np.ones((300, 2))
    reference[77, 0], reference[131, 1] = -1.0, 5.0
    model = reference.copy()
    model[203, 1] = 3.0
    kept = set(shown_points(path, reference, {"one": model}).tolist())
    assert kept >= {77, 131, 203} | {start + end for start in range(0, 300, 50) for end in (0, 49)}
    assert 100 <= len(kept) <= 115


def test_densities_of_states_hold_all_modes(details: dict[str, Any]) -> None:
    curves = details["Al"]["dos"]["curves"]
    assert [curve["potential"] for curve in curves] == [None, "emt", "soft"]
    for curve in curves:
        assert read(curve["values"]).sum() * curve["step"] == pytest.approx(3.0, rel=0.01)


def test_structure_and_records(study: Study, details: dict[str, Any]) -> None:
    structure = details["Al"]["structure"]
    assert structure["symbols"] == ["Al"]
    assert abs(np.linalg.det(structure["lattice"])) == pytest.approx(4.05**3 / 4, rel=1e-6)  # fcc
    for record in details["Al"]["records"]:
        link = study.link("Al", record["potential"], record["measurement"])
        assert (record["digest"], record["file"]) == (link.digest, f"../{link.file}")
        assert (study.folder / "report" / record["file"]).resolve().is_file()
    assert {"harmonic", "displaced_forces"} <= {record["measurement"] for record in details["Al"]["records"]}


def test_the_command_makes_the_same_records_again(
    study: Study, details: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study.folder.parent)
    [command] = details["Al"]["commands"]
    program, *words = shlex.split(command)
    assert program == "softmode"
    assert CliRunner().invoke(app, words).exit_code == 3  # one potential fails, as it did
    again = reopen_study(Path(words[words.index("--output") + 1]))
    assert [case.material.name for case in again.cases] == ["Al"] * 3
    assert all(study.store.path(key).exists() for case in again.cases for key in case.keys.values() if
               again.store.path(key).exists())  # fmt: skip


def test_parts_are_the_same_from_several_processes(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    alone = parts_of(study)
    monkeypatch.setattr(detail_parts, "_MANY", 0)
    assert parts_of(study) == alone
    assert set(alone.part) == {"Al", "Cu"}


def test_parts_that_are_too_large_are_files() -> None:
    assert Parts(("abc",), {}).files() == {}
    files = Parts(("a" * 7_000_000, "b" * 7_000_000), {}).files()
    assert list(files) == ["parts/0.js", "parts/1.js"]
    assert files["parts/1.js"].startswith(b'softmodePart(1, "bbb')


def test_modes_are_those_of_the_records(study: Study, details: dict[str, Any]) -> None:
    modes = details["Cu"]["modes"]
    assert {mode["potential"] for mode in modes} == {"emt", "soft"}
    soft = next(
        mode for mode in modes if mode["potential"] == "soft" and mode["role"].startswith("largest error")
    )
    record = study.result("Cu", "soft", "modes")
    assert record is not None
    assert soft["frequency_model"] == pytest.approx(record.values["worst_mode_model_THz"], abs=1e-5)
    assert np.allclose(soft["displacements"], record.arrays["displacements"][0], atol=1e-4)
    assert soft["structure"]["symbols"] == ["Cu"]
    assert soft["note"].startswith("100 % of this motion lies in the reference's mode of the same rank")


def test_details_are_made_once_until_a_record_changes(
    study: Study, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = Path(shutil.copytree(study.folder, tmp_path / "run"))
    first = parts_of(reopen_study(folder))
    opened: list[Path] = []
    original = detail_parts.open_record
    monkeypatch.setattr(detail_parts, "open_record", lambda path: opened.append(path) or original(path))
    assert parts_of(reopen_study(folder)) == first
    assert not opened
    again = reopen_study(folder)
    path = again.store.path(next(case for case in again.cases if case.label == "emt").keys["harmonic"])
    path.unlink()
    assert parts_of(again) != first
    assert opened
    opened.clear()
    kept = folder / "cache" / "details.txt"
    kept.write_text(kept.read_text().replace("a", "b", 1), encoding="ascii")  # damaged
    parts_of(again)
    assert opened
