"""Outside packages under ``tests/plugins/``, made importable as if pip had installed them."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[1] / "plugins"


def install_plugin(name: str, site: Path, monkeypatch: pytest.MonkeyPatch, source: Path = PLUGINS) -> None:
    """Put a plugin and what its ``pyproject.toml`` declares on the path, here and in processes started later.

    Parameters
    ----------
    name : str
        Its folder under `source`.
    site : Path
        A folder for the metadata that pip would write; several plugins may share it.
    monkeypatch : pytest.MonkeyPatch
        Takes it off the path again.
    source : Path
        Folder of plugins.
    """
    folder = source / name
    declared = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    information = site / f"{declared['name'].replace('-', '_')}-{declared['version']}.dist-info"
    information.mkdir(parents=True)
    (information / "METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {declared['name']}\nVersion: {declared['version']}\n", encoding="utf-8"
    )
    lines = []
    for group, points in declared["entry-points"].items():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (information / "entry_points.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    for path in (str(site), str(folder)):
        monkeypatch.syspath_prepend(path)
    paths = [str(site), str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    for module in folder.glob("*.py"):
        sys.modules.pop(module.stem, None)
