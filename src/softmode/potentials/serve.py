"""The other side: one potential in a process of its own, which answers until the connection closes.

It is started by :mod:`softmode.potentials.remote` with the interpreter of another environment. Softmode's
code comes from the installation that started it, everything else from that environment.
"""

from __future__ import annotations

import contextlib
import fcntl
import importlib
import importlib.util
import logging
import os
import platform
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.machinery import ModuleSpec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from softmode.errors import PotentialError, SettingsError, SoftmodeError
from softmode.numerics import arithmetic, limited_threads
from softmode.potentials.base import Potential, PotentialInfo, evaluation_failure
from softmode.potentials.family import Family, Origin
from softmode.potentials.messages import Arrays, ConnectionEndedError, receive, send, unpack
from softmode.potentials.registry import find_family
from softmode.potentials.resolution import ResolvedPotential
from softmode.potentials.settings import PotentialSettings

if TYPE_CHECKING:
    from ase import Atoms

_PROPERTIES = ("energy", "free_energy", "forces", "stress")


def main(connection: int, lifeline: int) -> None:
    """Answer on a socket until it closes.

    Parameters
    ----------
    connection, lifeline : int
        File descriptors: the socket, and a pipe whose other end closes when the parent process ends.
    """
    end_with(lifeline)
    os.set_inheritable(connection, False)
    logging.basicConfig(level=logging.WARNING)
    side = _Side()
    with socket.socket(fileno=connection) as line, contextlib.suppress(ConnectionEndedError):
        while True:
            header, arrays = receive(line)
            answer, results = side.answer(header, arrays)
            sys.stdout.flush()
            send(line, answer, results)
    # at once: what libraries do when Python ends takes time, and may fail
    os._exit(0)


def end_with(lifeline: int) -> None:
    """Let the kernel end this process when the other end of a pipe closes, whatever it is doing then."""
    os.set_inheritable(lifeline, False)
    fcntl.fcntl(lifeline, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(lifeline, fcntl.F_SETFL, fcntl.fcntl(lifeline, fcntl.F_GETFL) | os.O_ASYNC)


class _Side:
    """The potential, once it is loaded, and what is done with it."""

    def __init__(self) -> None:
        self._potential: Potential | None = None
        self._calculator: Any = None
        self._threads = contextlib.ExitStack()
        self._n_threads: int | None = None

    def answer(self, header: Mapping[str, Any], arrays: Arrays) -> tuple[dict[str, Any], Arrays]:
        """The answer to a message; an error that a person can read is an answer too."""
        try:
            if header["call"] == "load":
                return self._load(header), {}
            if self._potential is None:
                raise AssertionError("nothing is loaded")
            self._hold_threads(header["threads"])
            configurations = unpack(header["configurations"], arrays)
            if header["call"] == "evaluate":
                return self._evaluate(self._potential, configurations)
            if header["call"] == "hessian_products":
                atoms, *moved = configurations  # directions travel as positions
                directions = np.array([one.positions for one in moved]).reshape(-1, len(atoms), 3)
                return {}, {"products": self._potential.hessian_products(atoms, directions)}
            if header["call"] == "calculate":
                return self._calculate(self._potential, configurations[0], header["properties"])
            return {"arithmetic": {"python": platform.python_version(), **arithmetic()}}, {}
        except SoftmodeError as error:
            return {"error": described(error)}, {}

    def _load(self, header: Mapping[str, Any]) -> dict[str, Any]:
        given = header["resolved"]
        info, origin = given["info"], given["origin"]
        self._potential = potential = _Given(
            PotentialInfo(**{**info, "elements": tuple(info["elements"])}),
            PotentialSettings.model_validate(given["settings"]),
            given["dtype"],
            Origin(
                tuple(map(tuple, origin["versions"])),
                origin["source_sha256"],
                Path(origin["folder"]) if origin["folder"] else None,
            ),
            given["known_as"],
            Path(given["weights_path"]) if given["weights_path"] else None,
            given["weights_sha256"],
            given=_family(info["family"], header["module"], header["place"]),
        ).load_unchecked()
        return {
            "info": asdict(potential.info),
            "dtype": potential.dtype,
            "device": potential.device,
            "batches": potential.batches,
            "twice_differentiable": potential.twice_differentiable,
        }

    def _hold_threads(self, number: int | None) -> None:
        """So many threads from now on, as the parent has; what the environment says when None."""
        if number != self._n_threads:
            self._threads.close()
            self._n_threads = number
            if number is not None:
                self._threads.enter_context(limited_threads(number))

    def _evaluate(
        self, potential: Potential, configurations: Sequence[Atoms]
    ) -> tuple[dict[str, Any], Arrays]:
        result = potential.evaluate(configurations)
        forces = np.concatenate([*result.forces, np.empty((0, 3))])
        return {}, {"energies": result.energies, "forces": forces}

    def _calculate(
        self, potential: Potential, atoms: Atoms, properties: Sequence[str]
    ) -> tuple[dict[str, Any], Arrays]:
        """What the potential's own calculator gives."""
        try:
            if self._calculator is None:
                self._calculator = potential.calculator()
            calculator = self._calculator
            for name in properties:
                calculator.get_property(name, atoms)
            results = {name: calculator.results[name] for name in _PROPERTIES if name in calculator.results}
        except SoftmodeError:
            raise
        except Exception as error:
            raise evaluation_failure(potential.info.name, error) from error
        offered = [name for name in _PROPERTIES if name in calculator.implemented_properties]
        return {"offered": offered}, {name: np.asarray(value, float) for name, value in results.items()}


@dataclass(frozen=True)
class _Given(ResolvedPotential):
    """A resolved potential whose family need not be known in this environment."""

    given: Family | None = None

    @property
    def family(self) -> Family:
        """Family of the potential."""
        return self.given or super().family

    def load_unchecked(self) -> Potential:
        """Load the model; its known answer is checked on the other side."""
        return self._load()


def _family(name: str, module: str, place: str) -> Family:
    """A family that is known here, else the one of a module of the installation that started this process."""
    try:
        return find_family(name)
    except SettingsError:
        sys.meta_path.append(_Place(module.partition(".")[0], Path(place)))
    try:
        found = vars(importlib.import_module(module)).values()
    except ImportError as error:
        raise PotentialError(
            f"family {name!r}",
            f"its module {module} cannot be imported with {sys.executable} ({error})",
            "Install what it imports in that environment",
        ) from error
    for thing in found:
        if isinstance(thing, Family) and thing.name == name:
            return thing
    raise SettingsError(
        f"family {name!r}", f"it is not in {module}", "Install its package in the environment"
    )


class _Place:
    """Finds one top-level module at a place, after all other ways to find it."""

    def __init__(self, module: str, place: Path) -> None:
        self._module, self._place = module, place

    def find_spec(self, name: str, _path: Any = None, _target: Any = None) -> ModuleSpec | None:
        """Return the module, when it is that one."""
        if name != self._module:
            return None
        if self._place.is_dir():
            return importlib.util.spec_from_file_location(
                name, self._place / "__init__.py", submodule_search_locations=[str(self._place)]
            )
        return importlib.util.spec_from_file_location(name, self._place)


def described(error: SoftmodeError) -> dict[str, Any]:
    """An error as a message says it."""
    return {
        "kind": type(error).__name__,
        "subject": error.subject,
        "problem": error.problem,
        "remedy": error.remedy,
        "configurations": list(getattr(error, "configurations", ())),
    }
