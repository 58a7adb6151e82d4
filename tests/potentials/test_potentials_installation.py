"""An environment for a family: made from pins, checked, used from then on; what fails leaves no trace."""

from __future__ import annotations

import json
import os
import re
import shutil
import sysconfig
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from ase.build import bulk
from plugin_packages import PLUGINS
from typer.testing import CliRunner

from softmode.cli.app import app
from softmode.errors import InstallationError, MissingDependencyError, SettingsError
from softmode.potentials import PotentialSettings, environments, families, resolve
from softmode.potentials.installation import COMMON, install, installable

#: Stands for uv: makes the environment, and puts what is "installed" there, the packages of these tests.
FAKE_UV = """#!/bin/sh
echo "$@" >> "$0.log"
case $1 in
venv) exec "$3" -m venv --without-pip "$4" ;;
pip) echo "downloading the world"; cd "${4%bin/python}"lib/python*/site-packages && cp "$0.pth" . ;;
esac
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    program = tmp_path / "programs" / "uv"
    program.parent.mkdir()
    program.write_text(FAKE_UV)
    program.chmod(0o755)
    program.with_suffix(".pth").write_text(sysconfig.get_path("purelib") + "\n")
    monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
    return program


@pytest.fixture
def morse(
    uv: Path, installed_plugin: Callable[[str], None], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The plugin, here and in what the stand-in for uv installs."""
    site = tmp_path_factory.getbasetemp()
    installed_plugin("morse")
    information = next(path for path in site.rglob("softmode_morse-0.1.0.dist-info"))
    shutil.copytree(information, uv.parent / "site" / information.name)
    with uv.with_suffix(".pth").open("a") as paths:
        paths.write(f"{PLUGINS / 'morse'}\n{uv.parent / 'site'}\n")
    return uv


def test_from_then_on_the_family_runs_there(morse: Path) -> None:
    told: list[str] = []
    made = install("Morse", tell=told.append)
    assert made.checked == "morse-cu"
    assert "downloading the world" in told
    commands = morse.with_suffix(".log").read_text().splitlines()
    assert commands[0].startswith("venv --python ")
    assert commands[1].split()[:3] == ["pip", "install", "--python"]
    assert commands[1].split()[4:] == ["softmode-morse==0.1.0", *COMMON]
    there, here = resolve("morse-cu"), resolve(PotentialSettings(name="morse-cu", python="same"))
    assert there.interpreter == made.interpreter
    assert here.interpreter is None
    assert there.digest == here.digest
    potential, atoms = there.load(), bulk("Cu") * (2, 2, 2)
    assert potential.evaluate([atoms]).energies[0] == here.load().evaluate([atoms]).energies[0]
    potential.close()


def test_another_takes_its_place_when_it_is_complete(morse: Path) -> None:
    first = install("morse-al").interpreter
    again = install("morse").interpreter
    assert not first.python.exists()
    assert environments.made_for("Morse") == again


def test_what_cannot_be_made_leaves_what_was_there(morse: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.strftime", lambda form: "20260101-000000")  # both in the same second
    first = install("morse").interpreter
    before = sorted(environments.folder().iterdir())
    morse.write_text(
        FAKE_UV.replace("downloading the world", "no room for the world").replace("cp ", "false ")
    )
    with pytest.raises(InstallationError, match=r"`uv pip install --python …` fails: no room for the world"):
        install("morse")
    assert sorted(environments.folder().iterdir()) == before
    assert resolve("morse-cu").interpreter == first


def test_what_does_not_work_there_is_not_used(morse: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    shutil.copytree(PLUGINS / "morse", broken)
    module = broken / "softmode_morse.py"
    module.write_text(
        module.read_text().replace("_load(resolved: ResolvedPotential)", "_load(resolved, lost)")
    )
    paths = morse.with_suffix(".pth")
    paths.write_text(paths.read_text().replace(str(PLUGINS / "morse"), str(broken)))
    with pytest.raises(Exception, match="missing 1 required positional argument: 'lost'"):
        install("morse")
    assert environments.made_for("Morse") is None
    assert [path.name for path in environments.folder().iterdir()] == [".morse.lock"]


def test_an_interpreter_that_is_gone_is_told_with_the_command_that_mends_it(morse: Path) -> None:
    made = install("morse").interpreter
    shutil.rmtree(made.prefix)
    with pytest.raises(
        MissingDependencyError, match=r"morse-cu: .*is gone.*softmode potentials install Morse\.$"
    ):
        resolve("morse-cu")
    assert resolve(PotentialSettings(name="morse-cu", python="same")).interpreter is None


def test_names_that_cannot_be_installed_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"nothing is known to install for it.*MACE, "):
        installable("ase.calculators.emt:EMT")
    with pytest.raises(SettingsError, match="Did you mean 7net-0"):
        installable("7nett-0")
    assert installable("nequix-mp-1")[1] == "nequix-mp-1"
    assert installable("SevenNet")[1] == "7net-0"
    assert installable("mace")[1] == ""
    assert installable("MatterSim")[1] == "", "nothing is fetched for a recipe that was not asked for by name"


def test_the_command_says_what_it_made_and_the_list_where_it_runs(morse: Path) -> None:
    result = CliRunner().invoke(app, ["potentials", "install", "morse", "morse-al", "--json"])
    assert result.exit_code == 0, result.output
    [made] = json.loads(result.stdout)
    assert made["family"] == "Morse"
    assert made["checked"] == "morse-cu"
    assert made["versions"]["softmode-morse"] == "0.1.0"
    listed = CliRunner().invoke(app, ["potentials"]).stdout
    assert re.search(r"Morse runs in its own environment \(softmode-morse 0\.1\.0, Python 3", listed)


@pytest.mark.parametrize("problem", ["none", "no Python", "lacks"])
def test_an_interpreter_of_ones_own_that_cannot_be_used(problem: str, tmp_path: Path, uv: Path) -> None:
    python = tmp_path / "env" / "bin" / "python"
    expected = "there is no such file"
    if problem == "no Python":
        python.parent.mkdir(parents=True)
        python.write_text("#!/bin/sh\necho hello\n")
        python.chmod(0o755)
        expected = "it is no Python that works"
    elif problem == "lacks":
        os.system(f"{sysconfig.get_config_var('BINDIR')}/python3 -m venv --without-pip {tmp_path / 'env'}")
        expected = rf"lacks numpy, ase, pydantic, threadpoolctl\. .*{python} -m pip install numpy ase"
    with pytest.raises(MissingDependencyError, match=expected):
        resolve(PotentialSettings(name="7net-0", python=str(python)))


def test_pins_are_those_of_the_extras() -> None:
    """Beside MACE softmode can install an older sevenn only."""
    extras = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for family in families():
        if family.package is None or not family.package.extra or family.name == "SevenNet":
            continue
        exact = {pin for pin in extras[family.package.extra] if "==" in pin}
        assert exact <= set(family.package.pins)


@pytest.mark.slow
def test_a_real_one(tmp_path: Path) -> None:
    """From PyPI, with the newest sevenn, which needs another e3nn than MACE."""
    made = install("sevennet")
    assert made.checked == "7net-0"
    assert made.versions["sevenn"] == "0.13.0"
    assert resolve("7net-0").versions[0] == ("sevenn", "0.13.0")
