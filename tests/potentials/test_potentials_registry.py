"""Families of plugins, and calculators in the current folder: used without being installed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ase.build import bulk
from ase.calculators.emt import EMT
from ase.calculators.morse import MorsePotential
from plugin_packages import install_plugin
from tiny_study import run_tiny, study_toml, tiny_study
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.errors import MissingDependencyError, PotentialError, SettingsError
from softmode.potentials import (
    Entry,
    Family,
    PotentialSettings,
    WeightsStatus,
    describe,
    families,
    find_entry,
    known_potentials,
    registry,
    resolve,
    weights_status,
)
from softmode.potentials.family import meets
from softmode.study.folder import open_study
from softmode.study.results import OK, cell_table

Install = Callable[[str], None]


def morse_copper() -> MorsePotential:
    return MorsePotential(epsilon=0.3429, r0=2.866, rho0=1.3588 * 2.866, rcut1=2.25, rcut2=2.5)


def test_every_module_with_a_family_is_found_and_no_spelling_twice() -> None:
    own = ["ASE", "CHGNet", "MACE", "MatGL", "Nequix", "SevenNet"]
    recipes = ["ORB", "MatterSim", "UMA", "PET", "GRACE"]
    assert [family.name for family in families()] == own + recipes
    spellings = [
        registry._key(text)
        for family in families()
        for entry in family.entries
        for text in (entry.name, *entry.aliases)
    ]
    assert sorted(spellings) == sorted(set(spellings))


def test_a_family_of_a_plugin_is_resolved_loaded_and_forgotten(
    installed_plugin: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SettingsError, match="not a known name"):
        resolve("morse-cu")
    installed_plugin("morse")
    assert {"morse-cu", "morse-al", "chgnet"} <= {info.name for info in known_potentials()}
    assert weights_status("Morse_Cu") is WeightsStatus.NOT_NEEDED
    resolved = resolve("Morse-Cu")
    assert (resolved.info.name, resolved.info.family) == ("morse-cu", "Morse")
    assert resolved.versions == (("softmode-morse", "0.1.0"),)
    atoms = bulk("Cu", "fcc", a=3.7, cubic=True)
    atoms.rattle(0.1, seed=3)
    found = resolved.load().evaluate([atoms])
    atoms.calc = morse_copper()
    np.testing.assert_allclose(found.forces[0], atoms.get_forces(), atol=1e-12)
    monkeypatch.undo()
    assert find_entry("morse-cu") is None


def test_the_digest_of_a_potential_without_weights_follows_name_options_and_source(
    installed_plugin: Install,
) -> None:
    installed_plugin("morse")
    copper = resolve("morse-cu")
    assert copper.source_sha256 is not None
    assert resolve("MORSE_CU").digest == copper.digest
    assert resolve(PotentialSettings(name="morse-cu", label="Morse")).digest == copper.digest
    others = [resolve("morse-al"), resolve(PotentialSettings(name="morse-cu", kwargs={"reach": 3.0}))]
    assert len({copper.digest, *(other.digest for other in others)}) == 3


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"kwargs": {"rech": 2.0}}, "kwargs has rech, but the options of Morse are reach"),
        ({"kwargs": {"reach": 0.5}}, "option reach is 0.5: Input should be greater than 1"),
        ({"kwargs": {"reach": "far"}}, "option reach is 'far'"),
        ({"dtype": "float32"}, "cannot run in float32"),
        ({"device": "cuda", "sha256": "0" * 64}, "sha256 and device can be set for other families only"),
        ({"elements": ["Cu"]}, "elements can be set for other families only"),
    ],
)
def test_settings_of_a_plugin_are_checked(
    installed_plugin: Install, settings: dict[str, object], problem: str
) -> None:
    installed_plugin("morse")
    with pytest.raises(SettingsError, match=problem):
        resolve(PotentialSettings.model_validate({"name": "morse-cu", **settings}))


def test_the_command_lists_a_plugin(installed_plugin: Install) -> None:
    installed_plugin("morse")
    listed = json.loads(CliRunner().invoke(app, ["potentials", "--json"]).stdout)
    [copper] = [item for item in listed if item["name"] == "morse-cu"]
    assert (copper["family"], copper["elements"], copper["weights"]) == ("Morse", ["Cu"], "none needed")
    assert "morse-al" in CliRunner().invoke(app, ["potentials"]).stdout


def test_a_study_in_other_processes_uses_a_plugin(
    installed_plugin: Install, tiny_dataset: Path, tmp_path: Path
) -> None:
    installed_plugin("morse")
    settings = tiny_study(
        tiny_dataset,
        tmp_path / "o",
        {"name": "morse-cu"},
        {"name": "ase.calculators.emt:EMT", "label": "EMT"},
        ids=["Cu"],
        run={"workers": 2},
    )
    study, _ = run_tiny(settings)
    table = cell_table(study)
    assert sorted(table.potential) == ["EMT", "morse-cu"]
    assert set(table.state) == {OK}


def plugin_of(family: Family, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "plugins", lambda group, kind: (family,))


def test_a_plugin_cannot_take_a_name_that_is_known(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def never(resolved: object) -> None:
        raise AssertionError

    for family in (
        Family(name="Other", load=never, entries=(Entry("CHGNet"),)),  # type: ignore[arg-type]
        Family(name="MACE", load=never),  # type: ignore[arg-type]
    ):
        caplog.clear()
        plugin_of(family, monkeypatch)
        assert describe("chgnet").family == "CHGNet"
        assert family not in families()
        [record] = caplog.records
        assert f"family {family.name} of a plugin is left out" in record.message


def test_a_plugin_that_fails_is_an_error_of_that_potential_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(resolved: object) -> None:
        raise KeyError("weights")

    plugin_of(Family(name="Other", load=broken, entries=[Entry("other-1")]), monkeypatch)  # type: ignore[arg-type]
    with pytest.raises(PotentialError, match="other-1: loading it fails with KeyError: 'weights'"):
        resolve("other-1").load()
    assert resolve("ase.calculators.emt:EMT").load().dtype == "float64"


def test_a_plugin_that_cannot_be_imported_is_one_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "pyproject.toml").write_text(
        '[project]\nname = "broken"\nversion = "1"\n'
        '[project.entry-points."softmode.potentials"]\nx = "softmode_test_absent_family:FAMILY"\n'
    )
    install_plugin("broken", tmp_path / "site", monkeypatch, tmp_path)
    command = [sys.executable, "-m", "softmode", "potentials", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "chgnet" in {item["name"] for item in json.loads(done.stdout)}
    assert done.stderr.count("softmode_test_absent_family") == 1
    assert len(done.stderr.splitlines()) == 1


# --- calculators in the current folder -------------------------------------------------------------

MYCALC = """
from softmode_test_beside import FACTOR
from ase.calculators.emt import EMT

def make():
    calculator = EMT()
    calculator.parameters["factor"] = FACTOR
    return calculator
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "here"
    folder.mkdir()
    (folder / "softmode_test_mycalc.py").write_text(MYCALC)
    (folder / "softmode_test_beside.py").write_text("FACTOR = 2")
    monkeypatch.chdir(folder)
    for name in ("softmode_test_mycalc", "softmode_test_beside"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder


def test_a_calculator_of_the_current_folder_needs_no_path(
    here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = list(sys.path)
    resolved = resolve("softmode_test_mycalc:make")
    potential = resolved.load()
    assert sys.path == before
    atoms = bulk("Cu", "fcc", a=3.7)
    found = potential.evaluate([atoms]).energies[0]
    atoms.calc = EMT()
    assert found == pytest.approx(atoms.get_potential_energy())
    assert resolve("softmode_test_mycalc:make").digest == resolved.digest  # also when it has been imported
    monkeypatch.syspath_prepend(str(here))
    assert resolve("softmode_test_mycalc:make").digest == resolved.digest  # and on PYTHONPATH
    monkeypatch.undo()
    assert resolved.load().info.name == "softmode_test_mycalc:make"  # from another folder


def test_the_digest_follows_a_module_of_the_current_folder(here: Path) -> None:
    first = resolve("softmode_test_mycalc:make")
    assert first.source_sha256 is not None
    (here / "softmode_test_mycalc.py").write_text(MYCALC + "# changed")
    assert resolve("softmode_test_mycalc:make").digest != first.digest


@pytest.mark.parametrize("module", ["ase", "json"])
def test_the_current_folder_never_replaces_what_is_installed(
    here: Path, module: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    (here / f"{module}.py").write_text("raise RuntimeError('taken from the folder')")
    resolved = resolve(f"{module}.absent:make")
    assert resolved.origin.folder is None
    with pytest.raises(MissingDependencyError, match=rf"{module}.absent is not installed.*current folder"):
        resolved.load()


def test_a_study_started_in_the_folder_uses_its_calculator(here: Path, tiny_dataset: Path) -> None:
    settings = tiny_study(
        tiny_dataset,
        here / "o",
        {"name": "softmode_test_mycalc:make", "label": "mine"},
        ids=["Al", "Cu"],
        run={"workers": 2},
    )
    study_toml(here / "study.toml", settings)
    # -P: as the command `softmode` starts, without the current folder on the path
    command = [sys.executable, "-P", "-c", "from softmode.cli.app import main; main()", "run", "study.toml"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, cwd=here)
    assert result.returncode == 0, result.stderr
    table = cell_table(open_study(settings))
    assert list(table.material) == ["Al", "Cu"]
    assert set(table.state) == {OK}
    np.testing.assert_allclose(table["path_rmse_w2_THz2"], 0, atol=1e-4)  # the reference forces are EMT's


@pytest.mark.parametrize(
    ("releases", "fine", "refused"),
    [
        ("==2.0.4", ["2.0.4", "2.0.4.0", "2.0.4+cpu"], ["2.0.3", "2.0", "2.0.40", "4.1.2"]),
        (">=0.10.4", ["0.10.4", "0.10.4.post1", "0.11", "0.13.0", "1.0"], ["0.9.9", "0.10"]),
        (">=0.4.5,<0.5", ["0.4.5", "0.4.10"], ["0.4.4", "0.5", "0.5.0", "0.10"]),
        ("", ["0", "17.3"], []),
    ],
)
def test_releases_are_compared_by_their_numbers(releases: str, fine: list[str], refused: list[str]) -> None:
    assert [version for version in fine + refused if meets(version, releases)] == fine


@pytest.mark.parametrize(
    ("package", "version", "name"),
    [
        ("matgl", "4.1.2", "TensorNet-MatPES-PBE-v2025.1-PES"),
        ("sevenn", "0.9.5", "7net-0"),
        ("nequix", "0.3.0", "nequix-mp-1"),
    ],
)
def test_another_release_is_refused_before_anything_is_imported(
    package: str, version: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As matgl 4.1.2, which has modules of other names, and where it has not, is wrong by eV/atom."""
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("raise ImportError('of another release')")
    about = tmp_path / f"{package}-{version}.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    said = rf"^{name}: {package} {version} is installed, but {package}[=>].* is needed\. Install it with: "
    with pytest.raises(MissingDependencyError, match=said):
        resolve(name)
