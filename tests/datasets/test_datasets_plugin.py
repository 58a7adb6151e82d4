"""A dataset of another package: ``tests/plugins/springs``, one file that nothing under ``src/`` knows of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from local_server import Handler, serve_locally
from tiny_study import QUICK, run_tiny
from typer.testing import CliRunner, Result

from softmode.cli.app import app
from softmode.crystal import ForceConstants
from softmode.datasets import known_datasets, open_dataset, open_reference
from softmode.datasets.ingest import ingest, problem_counts
from softmode.errors import InputDataError, SettingsError
from softmode.study.settings import load_study

pytestmark = pytest.mark.usefixtures("springs")


@pytest.fixture
def springs(installed_plugin: Callable[[str], None]) -> None:
    installed_plugin("springs")


@pytest.fixture
def crystals(tmp_path: Path) -> Path:
    folder = tmp_path / "crystals"
    folder.mkdir()
    for element, a, k in (("Cu", 2.4, 3.0), ("Al", 2.7, 2.0)):
        (folder / f"{element}.springs.json").write_text(json.dumps({"element": element, "a": a, "k": k}))
    return folder


def softmode(*arguments: object) -> Result:
    return CliRunner(env={"COLUMNS": "200"}).invoke(app, [str(a) for a in arguments])


def test_it_is_listed_beside_the_others(crystals: Path) -> None:
    assert [kind.name for kind in known_datasets()][-1] == "springs"
    listed = json.loads(softmode("datasets", "--json").stdout)
    [ours] = [kind for kind in listed if kind["name"] == "springs"]
    assert (ours["title"], ours["needs_path"], ours["fetch"]) == (
        "Crystals of springs",
        True,
        "names of crystals",
    )
    assert ours["options"] == {"repeat": "cells along each axis of the supercell (default 2)"}
    assert "Crystals of springs" in softmode("datasets").stdout
    materials = softmode("datasets", "SPRINGS", "--path", crystals)
    assert materials.exit_code == 0
    assert [line for line in materials.stdout.splitlines() if " Al " in line or " Cu " in line]


def test_it_opens_by_any_of_its_names_with_its_options(crystals: Path) -> None:
    dataset = open_dataset("Hooke", crystals, repeat=3)
    assert [entry.name for entry in dataset.entries()] == ["Al", "Cu"]
    material = dataset.entries()[1].load()
    assert isinstance(material.reference, ForceConstants)
    assert material.n_supercell_atoms == 27
    assert material.reference.values[0, 0] == pytest.approx(9.0 * np.eye(3))  # 2k + 4k/4
    assert material.tags["joined_by"] == "springs"
    for options, said in (
        ({"repet": 3}, "there is no option 'repet'. did you mean repeat"),
        ({"repeat": 9}, "repeat = 9 makes no sense"),
    ):
        with pytest.raises(SettingsError, match=said):
            open_dataset("springs", crystals, **options)
    with pytest.raises(SettingsError, match="did you mean springs"):
        open_dataset("sprigs", crystals)


def test_its_files_are_recognised(crystals: Path, tmp_path: Path) -> None:
    assert open_reference(crystals / "Cu.springs.json").name == "Cu"
    with pytest.raises(InputDataError, match=r"it holds 2 materials \(Al, Cu\)"):
        open_reference(crystals)
    (tmp_path / "bad.springs.json").write_text("{}")
    with pytest.raises(InputDataError, match="this is no crystal of springs"):
        open_reference(tmp_path / "bad.springs.json")


def test_a_study_names_it(crystals: Path, tmp_path: Path, importable_helpers: None) -> None:
    """Materials are read in worker processes, which find the package by themselves."""
    protocol = ", ".join(f"{name} = {json.dumps(value)}" for name, value in {**QUICK, "relax": False}.items())
    (tmp_path / "study.toml").write_text(
        f'output = "{tmp_path / "out"}"\nmeasurements = ["harmonic", "sigma"]\nprotocol = {{{protocol}}}\n'
        f'[dataset]\nkind = "springs"\npath = "{crystals.name}"\nselect = {{ids = ["Cu"]}}\n'
        '[[potential]]\nname = "ase.calculators.emt:EMT"\n[run]\nworkers = 1\n'
    )
    study, report = run_tiny(load_study(tmp_path / "study.toml"))
    [cell] = study.cases
    assert report.failed == 0, study.records(cell)
    values: dict[str, Any] = study.records(cell)["sigma"].values
    assert values["sigma_reference_mean_t"] == pytest.approx(
        0.0, abs=1e-8
    )  # a crystal of springs is harmonic


def test_a_store_holds_it_bit_by_bit(crystals: Path, tmp_path: Path) -> None:
    manifest = ingest("springs", crystals, tmp_path / "store", options={"repeat": 3})
    assert problem_counts(manifest) == {}
    stored = open_dataset("springs", tmp_path / "store").entries()
    for ours, theirs in zip(stored, open_dataset("springs", crystals, repeat=3).entries(), strict=True):
        assert ours.load().reference_digest == theirs.load().reference_digest
        assert ours.load().structure_digest == theirs.load().structure_digest
        assert dict(ours.load().tags) == dict(theirs.load().tags)
        trajectory = theirs.load_trajectory()
        assert ours.trajectory_digest == ours.load_trajectory().digest == trajectory.digest
        assert ours.load_trajectory().notes == trajectory.notes
    with pytest.raises(SettingsError, match="all options but those of frames"):
        open_dataset("springs", tmp_path / "store", repeat=2)
    with pytest.raises(SettingsError, match="made from a dataset springs"):
        open_dataset("phonondb", tmp_path / "store")


def test_it_is_fetched(crystals: Path, tmp_path: Path) -> None:
    class Served(Handler):
        def answer(self) -> None:
            files = {path.name: path.read_bytes() for path in crystals.iterdir()}
            if self.path == "/index.json":
                sums = {
                    name.partition(".")[0]: hashlib.sha256(data).hexdigest() for name, data in files.items()
                }
                self.send_json(200, sums)
            else:
                self.send(200, files[self.path.removeprefix("/")])

    with serve_locally(Served) as url:
        one = softmode("fetch", "springs", "Cu", "--into", tmp_path / "one", "--server", url)
        both = softmode("fetch", "springs", "--all", "--into", tmp_path / "both", "--server", url)
    assert (one.exit_code, both.exit_code) == (0, 0), one.output + both.output
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["Cu.springs.json"]
    fetched = {path.name: path.read_bytes() for path in (tmp_path / "both").iterdir()}
    assert fetched == {path.name: path.read_bytes() for path in crystals.iterdir()}
