"""What another machine lacks to run a potential that was resolved on this one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from softmode.potentials import presence
from softmode.potentials.interpreters import Interpreter
from softmode.potentials.presence import lacking
from softmode.potentials.resolution import ResolvedPotential, resolve
from softmode.potentials.settings import PotentialSettings

EMT = "ase.calculators.emt:EMT"


@pytest.fixture
def emt() -> ResolvedPotential:
    return resolve(PotentialSettings(name=EMT, label="emt"))


def test_what_is_there_is_lacking_nothing(emt: ResolvedPotential) -> None:
    assert lacking({"emt": emt}) == {}


def test_what_is_missing_is_named_with_what_to_do(emt: ResolvedPotential, tmp_path: Path) -> None:
    gone = Interpreter(tmp_path / "bin" / "python", "3.12.1", str(tmp_path), (), (), made_for="MACE")
    found = lacking(
        {
            "gone": replace(emt, interpreter=gone),
            "module": replace(emt, known_as="no_such_module:Calculator"),
            "weights": replace(emt, weights_path=tmp_path / "weights.pt"),
            "there": emt,
        }
    )
    assert set(found) == {"gone", "module", "weights"}
    assert found["gone"] == (
        f"its interpreter {gone.python} is gone",
        "Make it again with: softmode potentials install MACE",
    )
    assert found["module"][0] == "there is no module no_such_module"
    assert found["weights"][0] == f"its weights {tmp_path / 'weights.pt'} are not there"


def test_one_of_which_it_cannot_be_told_does_not_keep_others(
    emt: ResolvedPotential, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(type(tmp_path), "exists", forbidden)
    found = lacking({"hidden": replace(emt, weights_path=tmp_path / "w.pt"), "there": emt})
    assert set(found) == {"hidden"}
    assert "PermissionError: [Errno 13] Permission denied" in found["hidden"][0]


def test_a_package_that_an_environment_lacks_is_missing(emt: ResolvedPotential, tmp_path: Path) -> None:
    """An interpreter is there, and a folder of modules with nothing in it."""
    python = tmp_path / "python"
    python.touch()
    empty = Interpreter(python, "3.12.1", str(tmp_path), (str(tmp_path),), ())
    assert "lacks numpy, ase" in lacking({"emt": replace(emt, interpreter=empty)})["emt"][0]


@pytest.mark.parametrize(
    ("driver", "visible", "missing"), [(True, "0", False), (True, "", True), (False, "0", True)]
)
def test_a_device_needs_a_driver_that_is_not_hidden(
    emt: ResolvedPotential,
    driver: bool,
    visible: str,
    missing: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    device = tmp_path / "nvidiactl"
    if driver:
        device.touch()
    monkeypatch.setattr(presence, "_DRIVERS", (str(device),))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    settings = emt.settings.model_copy(update={"device": "cuda:0"})
    assert bool(lacking({"emt": replace(emt, settings=settings)})) is missing
