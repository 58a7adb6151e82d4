"""Making the environment of a family: from the pins of its declaration, checked before it is used."""

from __future__ import annotations

import contextlib
import json
import shutil
import subprocess
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

from softmode.errors import InstallationError, SettingsError, StorageError
from softmode.files import lock, write_atomically
from softmode.potentials.conformance import measure_conformance
from softmode.potentials.environments import folder, note_of, plain_name
from softmode.potentials.family import Family
from softmode.potentials.interpreters import Interpreter, ask, environment_variables
from softmode.potentials.registry import families, find, recognise
from softmode.potentials.resolution import resolve
from softmode.potentials.settings import PotentialSettings
from softmode.potentials.weights import find_weights

#: In every environment: what softmode's own code needs there, and ASE, whose neighbour lists models use.
COMMON = ("numpy==2.4.6", "scipy==1.17.1", "ase==3.29.0", "pydantic>=2.7", "threadpoolctl>=3.5")


@dataclass(frozen=True)
class Installed:
    """What was made.

    Parameters
    ----------
    family : Family
        Which now runs there.
    interpreter : Interpreter
        What it runs with.
    checked : str
        The potential whose known answer and conformance were checked there; empty where no weights of any
        were at hand, and the package was imported only.
    """

    family: Family
    interpreter: Interpreter
    checked: str

    @property
    def versions(self) -> dict[str, str]:
        """Python, and the packages that are recorded with results."""
        package = self.family.package
        names = (package.distribution, *package.beside) if package else ()
        found = {name: self.interpreter.version_of(name) or "unknown" for name in names}
        return {**found, "Python": self.interpreter.version}


def installable(name: str) -> tuple[Family, str]:
    """The family of a name, and what of it is to be checked.

    Parameters
    ----------
    name : str
        A potential, as in settings, or a family.

    Returns
    -------
    Family, str
        The name again where it is a potential's, else that of the first of its potentials whose weights are
        on this machine or come with the package; empty where there is none.

    Raises
    ------
    SettingsError
        If there is no such potential or family, or nothing is known to install for it.
    """
    wanted = plain_name(name)
    family = next((each for each in families() if plain_name(each.name) == wanted), None)
    found = find(name)
    if family is not None:
        here = (
            entry.name
            for entry in family.entries
            if entry.tried and (not family.has_weights or entry.packaged or find_weights(entry))
        )
        checked = next(here, "")
    else:
        family, checked = found[0] if found else recognise(name), name
    if family.package is None or not family.package.pins:
        with_pins = ", ".join(each.name for each in families() if each.package and each.package.pins)
        raise SettingsError(
            f"family {family.name}",
            "nothing is known to install for it",
            f"Install its package beside softmode; environments are made for {with_pins}",
        )
    return family, checked


def install(
    name: str, python: Path | None = None, *, tell: Callable[[str], None] = lambda line: None
) -> Installed:
    """Make the environment of a family, check it, and let the family run there from now on.

    An older one stays in use until the new one is complete and checked, and is removed then.

    Parameters
    ----------
    name : str
        A potential or a family, see :func:`installable`.
    python : Path, optional
        What to make it with; the Python that runs this when not given.
    tell : callable
        Told each line that the installer prints, and what is checked.

    Raises
    ------
    InstallationError
        If it cannot be made.
    StorageError
        If there is no room for it.
    SoftmodeError
        If the potential does not work there, or does not give its known answer.
    """
    family, checked = installable(name)
    plain = plain_name(family.name)
    with _sole(plain) as parent:
        place = parent / f"{plain}-{time.strftime('%Y%m%d-%H%M%S')}-{uuid.uuid4().hex[:8]}"
        try:
            for command in _commands(place, python or Path(sys.executable), family):
                _run(family.name, command, tell)
            made = ask(place / "bin" / "python", family.name)
            made.require(family.name)
            tell(f"checking {checked or family.name}")
            if checked:
                _check(checked, made)
            elif family.package is not None:
                _run(family.name, [*made.command, "-c", f"import {family.package.module}"], tell)
            note = {**asdict(made), "python": str(made.python)}
            write_atomically(note_of(family.name), json.dumps(note, indent=1).encode())
        except BaseException:
            shutil.rmtree(place, ignore_errors=True)
            raise
        for other in parent.glob(f"{plain}-[0-9]*"):
            if other != place:
                shutil.rmtree(other, ignore_errors=True)
    return Installed(family, made, checked)


def _check(name: str, interpreter: Interpreter) -> None:
    """Load a potential in its new environment, which checks its known answer; then its conformance."""
    with closing(resolve(PotentialSettings(name=name, python=str(interpreter.python))).load()) as potential:
        broken = measure_conformance(potential).broken()
    if broken:
        raise InstallationError(
            f"{name} in {interpreter.prefix}",
            f"its forces or energies break what must hold: {', '.join(broken)}",
            f"See `softmode potentials check {name}`",
        )


def _commands(place: Path, python: Path, family: Family) -> Iterator[list[str]]:
    """What makes an environment, by uv where there is one."""
    package = family.package
    if package is None:
        raise AssertionError("a family without a package needs no environment")
    there = str(place / "bin" / "python")
    uv = shutil.which("uv")
    if uv is not None:
        yield [uv, "venv", "--python", str(python), str(place)]
        install = [uv, "pip", "install", "--python", there]
    else:
        yield [str(python), "-m", "venv", str(place)]
        install = [there, "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
        install += ["--progress-bar", "off"]
    yield [*install, *package.pins, *COMMON]
    if package.alone:
        yield [*install, "--no-deps", package.alone]


def _run(family: str, command: list[str], tell: Callable[[str], None]) -> None:
    """Run a command, telling its lines as they come."""
    last: deque[str] = deque(maxlen=3)
    try:
        with subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment_variables(),
        ) as process:
            for line in process.stdout or ():
                if text := line.strip():
                    last.append(text)
                    tell(text)
    except OSError as error:
        last.append(str(error))
    else:
        if process.returncode == 0:
            return
    raise InstallationError(
        f"environment of {family}",
        f"`{Path(command[0]).name} {' '.join(command[1:4])} …` fails: {' | '.join(last) or 'without a word'}",
        "See what it says, and run again; with uv on PATH it is used in place of pip",
    )


@contextlib.contextmanager
def _sole(plain: str) -> Iterator[Path]:
    """The folder of environments, in which no other process makes one of that name meanwhile."""
    parent = folder()
    try:
        parent.mkdir(parents=True, exist_ok=True)
        held = (parent / f".{plain}.lock").open("w")
    except OSError as error:
        raise StorageError(
            str(parent),
            f"cannot be written ({error.strerror})",
            "Set SOFTMODE_CACHE to a folder that can be written",
        ) from error
    with held:
        lock(held, wait=True)
        yield parent
