"""Fixtures shared by all tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from plugin_packages import install_plugin
from tiny_study import HELPERS, METALS, write_metal

from softmode.crystal import Material
from softmode.datasets import open_reference

#: Tests know what code they run; what softmode says of code of one's own is tested where it is said.
os.environ.setdefault("SOFTMODE_TRUST", "1")


@pytest.fixture(scope="session")
def tiny_dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folders of phonopy files of fcc Al, Au and Cu, whose reference forces are EMT's; not to be changed."""
    root = tmp_path_factory.mktemp("metals")
    for symbol in METALS:
        write_metal(root / symbol, symbol)
    return root


@pytest.fixture
def own_dataset(tiny_dataset: Path, tmp_path: Path) -> Path:
    """A copy of `tiny_dataset` that a test may damage."""
    return Path(shutil.copytree(tiny_dataset, tmp_path / "metals"))


@pytest.fixture
def importable_helpers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes started by the test can import ``softmode_test_factories``."""
    paths = [str(HELPERS), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


@pytest.fixture
def installed_plugin(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Install a package of ``tests/plugins/`` for the test and the processes it starts."""
    site = tmp_path_factory.mktemp("site")
    return lambda name: install_plugin(name, site, monkeypatch)


@pytest.fixture
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing waits for disks, which others may keep busy."""
    monkeypatch.setattr("softmode.files._sync", lambda path: None)
    monkeypatch.setattr(os, "sync", lambda: None, raising=False)


SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Third-party reference data beside the checkout; tests that need it are marked ``shared_data``."""
    if not SHARED.is_dir():
        pytest.skip("../shared/data is absent")
    return SHARED


@pytest.fixture(scope="session")
def phonondb(shared_data: Path) -> Path:
    """Archives of the phonon database."""
    return shared_data / "phonondb"


@pytest.fixture(scope="session")
def example() -> Material:
    """The embedded Cs2AgBiBr6."""
    return open_reference("example")
