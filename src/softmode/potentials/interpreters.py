"""The Python of another environment: asked once where its packages lie, which are then only read."""

from __future__ import annotations

import functools
import importlib.metadata
import json
import os
import subprocess
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from softmode.errors import MissingDependencyError

#: The oldest Python that can run a potential for softmode.
OLDEST = (3, 11)
#: What softmode's own code needs there: module and distribution, which have one name.
NEEDS = ("numpy", "ase", "pydantic", "threadpoolctl")
_QUESTION = """
import json, platform, sys, sysconfig
paths = [sysconfig.get_path(key) for key in ("purelib", "platlib", "stdlib")]
print(json.dumps([platform.python_version(), sys.prefix, [p for p in sys.path if p], paths]))
"""
_PATIENCE_S = 120.0


@dataclass(frozen=True)
class Interpreter:
    """A Python that is not the one that runs here.

    Parameters
    ----------
    python : Path
        Its executable.
    version : str
        Version of the language, ``3.12.4``.
    prefix : str
        Where it is installed.
    path : tuple of str
        Where it finds modules.
    installed : tuple of str
        Folders of installed modules and of the standard library.
    made_for : str
        The family that softmode made its environment for; empty when it is the user's own.
    """

    python: Path
    version: str
    prefix: str
    path: tuple[str, ...]
    installed: tuple[str, ...]
    made_for: str = ""

    @property
    def command(self) -> list[str]:
        """How it is started: softmode's own environments alone, others with the user's PYTHONPATH."""
        return [str(self.python), "-I" if self.made_for else "-P"]

    def find(self, module: str) -> ModuleSpec | None:
        """A top-level module there; not imported."""
        return PathFinder.find_spec(module, list(self.path))

    def version_of(self, distribution: str) -> str | None:
        """Version of a distribution there; None where it is not installed."""
        found = importlib.metadata.distributions(name=distribution, path=list(self.path))
        return next((each.version for each in found), None)

    def providers(self, module: str) -> list[str]:
        """Distributions there that a top-level module belongs to."""
        return [
            each.metadata["Name"]
            for each in importlib.metadata.distributions(path=list(self.path))
            if module in ((each.read_text("top_level.txt") or "").split() or _modules_of(each))
        ]

    def require(self, subject: str) -> None:
        """Refuse one that is gone, or lacks what softmode's own code needs.

        Raises
        ------
        MissingDependencyError
            With the command that mends it.
        """
        if not self.python.exists():
            raise MissingDependencyError(
                subject,
                f"its interpreter {self.python} is gone",
                f"Make it again with: softmode potentials install {self.made_for}"
                if self.made_for
                else "Set python to one that is there, or make an environment with "
                "`softmode potentials install`",
            )
        missing = [name for name in NEEDS if self.find(name) is None]
        if missing:
            raise MissingDependencyError(
                subject,
                f"the environment of {self.python} lacks {', '.join(missing)}",
                f"Install what is missing with: {self.install_command(*missing)}",
            )

    def install_command(self, *requirements: str) -> str:
        """The command that installs something there."""
        if self.made_for:
            return f"softmode potentials install {self.made_for}"
        return f"{self.python} -m pip install {' '.join(requirements)}"


def _modules_of(distribution: importlib.metadata.Distribution) -> set[str]:
    """Top-level modules of a distribution that does not name them."""
    files = [file for file in distribution.files or () if file.suffix == ".py"]
    return {file.parts[0] if len(file.parts) > 1 else file.stem for file in files}


def environment_variables() -> dict[str, str]:
    """Those of this process, without what would lead another Python to the modules of this one."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONHOME"}


def ask(python: Path, made_for: str = "") -> Interpreter:
    """What an interpreter is; it is started once a process.

    Parameters
    ----------
    python : Path
        Its executable.
    made_for : str
        As in :class:`Interpreter`.

    Raises
    ------
    MissingDependencyError
        If it is not there, is no Python, or too old.
    """
    return _asked(python, made_for, os.environ.get("PYTHONPATH", ""))


@functools.cache
def _asked(python: Path, made_for: str, _path: str) -> Interpreter:
    subject, remedy = (
        f"python = {str(python)!r}",
        "Give the path to the Python of an environment, as env/bin/python",
    )
    if not python.exists():
        raise MissingDependencyError(subject, "there is no such file", remedy)
    command = [str(python), *(["-I"] if made_for else []), "-c", _QUESTION]
    try:
        answer = subprocess.run(
            command,
            capture_output=True,
            text=True,
            timeout=_PATIENCE_S,
            stdin=subprocess.DEVNULL,
            env=environment_variables(),
            check=False,
        )
        version, prefix, path, installed = json.loads(answer.stdout.strip().splitlines()[-1])
    except (OSError, ValueError, IndexError, subprocess.TimeoutExpired) as error:
        raise MissingDependencyError(subject, "it is no Python that works", remedy) from error
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise MissingDependencyError(subject, f"it is Python {version}", f"Give one of {oldest} or newer")
    return Interpreter(python, version, prefix, tuple(path), tuple(installed), made_for)
