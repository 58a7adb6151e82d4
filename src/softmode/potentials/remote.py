"""A potential that runs in another environment: a process of that interpreter, arrays over a socket.

What the process prints, also from C, goes to the log (level debug) and is never mixed with what it answers.
It is started anew when it has died, and ends when this process does.
"""

from __future__ import annotations

import collections
import contextlib
import importlib.util
import logging
import os
import signal
import socket
import subprocess
import threading
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np

import softmode
from softmode import errors
from softmode.errors import PotentialError, SoftmodeError, TimeLimitError, WorkerDiedError
from softmode.numerics import thread_limit
from softmode.potentials.base import FloatArray, Potential, PotentialInfo
from softmode.potentials.interpreters import Interpreter, environment_variables
from softmode.potentials.messages import (
    Arrays,
    ConnectionEndedError,
    ProtocolError,
    pack,
    receive,
    send,
)
from softmode.potentials.settings import PotentialSettings

if TYPE_CHECKING:
    from ase import Atoms
    from ase.calculators.calculator import Calculator

    from softmode.potentials.resolution import ResolvedPotential

log = logging.getLogger(__name__)

#: Gives the other side softmode's own code from here, whatever is installed there.
_START = """
import importlib.util, sys
place, connection, lifeline = sys.argv[1:]
spec = importlib.util.spec_from_file_location(
    "softmode", place + "/__init__.py", submodule_search_locations=[place]
)
sys.modules["softmode"] = module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
from softmode.potentials.serve import main
main(int(connection), int(lifeline))
"""
#: How long a process may take to end once it has closed its connection, or was asked to, s.
_LAST_SECONDS = 5.0
_LINES_KEPT = 4
_LONGEST_TOLD = 300  # characters of what it printed last


class RemotePotential(Potential):
    """A potential in a process of another interpreter.

    Parameters
    ----------
    resolved : ResolvedPotential
        With the interpreter it runs with, and the time limit of its settings.

    Raises
    ------
    SoftmodeError
        As loading it here would.
    WorkerDiedError, TimeLimitError
        If its process dies, or does not answer in time.
    """

    def __init__(self, resolved: ResolvedPotential) -> None:
        self._resolved = resolved
        self._worker: _Worker | None = None
        self.info = resolved.info
        self._start()

    def _start(self) -> _Worker:
        """The process, with the potential loaded; a new one where there is none or it has died."""
        if self._worker is not None and self._worker.alive:
            return self._worker
        interpreter, limit = self._resolved.interpreter, self._resolved.settings.time_limit
        if interpreter is None:
            raise AssertionError("it runs in this process")
        interpreter.require(self.info.name)
        module = self._resolved.family.load.__module__
        message = {
            "call": "load",
            "resolved": _described(self._resolved),
            "module": module,
            "place": _place(module),
        }
        worker = _Worker(self._resolved.info.name, interpreter)
        try:
            answer, _ = worker.call(message, seconds=limit, doing="loading")
        except SoftmodeError:
            worker.end()
            raise
        self._worker = worker
        self.info = PotentialInfo(**{**answer["info"], "elements": tuple(answer["info"]["elements"])})
        self.dtype, self.device = str(answer["dtype"]), str(answer["device"])
        self.batches = bool(answer["batches"])
        self.twice_differentiable = bool(answer["twice_differentiable"])
        return worker

    @property
    def process(self) -> int:
        """Number of the process; 0 where there is none."""
        return self._worker.number if self._worker is not None else 0

    def close(self) -> None:
        """End the process; it is started again when the potential is used again."""
        if self._worker is not None:
            self._worker.end()
            self._worker = None

    def calculator(self) -> Calculator:
        """An ASE calculator that asks the potential's own in its process."""
        return _calculator(self)

    def arithmetic(self) -> dict[str, Any]:
        """What decides the last bits in its process; see :func:`softmode.numerics.arithmetic`."""
        answer, _ = self._ask({"call": "arithmetic"}, [], most=0)
        found: dict[str, Any] = answer["arithmetic"]
        return {**found, "versions": dict(self._resolved.versions)}

    def _ask(
        self, header: Mapping[str, Any], configurations: Sequence[Atoms], most: int
    ) -> tuple[dict[str, Any], Arrays]:
        worker = self._start()
        listed, arrays = pack(configurations)
        return worker.call(
            {**header, "threads": thread_limit(), "configurations": listed},
            arrays,
            seconds=self._resolved.settings.time_limit * max(1, len(configurations)),
            most=most,
            doing=f"{len(configurations)} configuration{'s' if len(configurations) != 1 else ''}",
        )

    def _evaluate(self, configurations: Sequence[Atoms]) -> tuple[Sequence[float], Sequence[Any]]:
        n_atoms = [len(atoms) for atoms in configurations]
        _, arrays = self._ask(
            {"call": "evaluate"}, configurations, most=8 * (len(n_atoms) + 3 * sum(n_atoms))
        )
        forces = arrays["forces"].reshape(-1, 3)
        return list(arrays["energies"]), np.split(forces, np.cumsum(n_atoms)[:-1]) if n_atoms else []

    def _hessian_products(self, atoms: Atoms, directions: FloatArray) -> Any:
        moved = [atoms.copy() for _ in directions]
        for one, direction in zip(moved, directions, strict=True):
            one.positions = direction
        _, arrays = self._ask({"call": "hessian_products"}, [atoms, *moved], most=8 * (1 + directions.size))
        return arrays["products"].reshape(directions.shape)

    def calculate(self, atoms: Atoms, properties: Sequence[str]) -> tuple[list[str], dict[str, Any]]:
        """What the potential's own calculator gives.

        Parameters
        ----------
        atoms : ase.Atoms
            The configuration.
        properties : sequence of str
            What is asked for, in ASE's names.

        Returns
        -------
        list of str, dict of str to float or array
            Which properties it can give; those it has computed.
        """
        self.check_configurations([atoms])
        answer, arrays = self._ask(
            {"call": "calculate", "properties": list(properties)}, [atoms], most=8 * (3 * len(atoms) + 20)
        )
        return answer["offered"], {
            name: float(array) if array.ndim == 0 else array for name, array in arrays.items()
        }


def _calculator(potential: RemotePotential) -> Calculator:
    from ase.calculators.calculator import Calculator, all_changes

    class RemoteCalculator(Calculator):  # type: ignore[misc]
        implemented_properties = ["energy", "free_energy", "forces", "stress"]  # noqa: RUF012

        def calculate(
            self, atoms: Any = None, properties: Any = ("energy",), system_changes: Any = all_changes
        ) -> None:
            super().calculate(atoms, properties, system_changes)
            self.implemented_properties, self.results = potential.calculate(self.atoms, properties)

    return RemoteCalculator()


class _Worker:
    """A process of another interpreter, and the line to it.

    Parameters
    ----------
    subject : str
        Name of the potential, for errors.
    interpreter : Interpreter
        What it is started with.
    """

    def __init__(self, subject: str, interpreter: Interpreter) -> None:
        self._subject, self._python = subject, interpreter.python
        self._line, theirs = socket.socketpair()
        lifeline, held = os.pipe()
        place = str(Path(softmode.__file__).parent)
        try:
            self._process = subprocess.Popen(
                [*interpreter.command, "-c", _START, place, str(theirs.fileno()), str(lifeline)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(), lifeline),
                start_new_session=True,  # a Ctrl-C in the terminal is for this process to handle
                env=environment_variables(),
            )
        except OSError as error:
            os.close(held)
            raise PotentialError(
                subject,
                f"{self._python} cannot be started ({error.strerror})",
                "Check python of its settings",
            ) from error
        finally:
            theirs.close()
            os.close(lifeline)
        self._printed = _Printed(subject, self._process.stdout)
        self._end = weakref.finalize(self, _end, self._process, self._line, held, os.getpid())

    @property
    def number(self) -> int:
        """Of the process."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether it can be asked."""
        return self._end.alive and self._process.poll() is None

    def end(self) -> None:
        """End it."""
        self._end()

    def call(
        self,
        header: Mapping[str, Any],
        arrays: Mapping[str, Any] | None = None,
        *,
        seconds: float,
        most: int = 0,
        doing: str,
    ) -> tuple[dict[str, Any], Arrays]:
        """Its answer.

        Parameters
        ----------
        header, arrays
            The message.
        seconds : float
            How long it may take.
        most : int
            Bytes that the arrays of the answer may take.
        doing : str
            What it does meanwhile, for errors.

        Raises
        ------
        SoftmodeError
            The error that is its answer.
        WorkerDiedError, TimeLimitError, PotentialError
            If it dies, takes longer, or its answer cannot be read.
        """
        try:
            send(self._line, header, arrays)
            answer, results = receive(self._line, seconds=seconds, most=most)
        except TimeoutError:
            self.end()
            raise TimeLimitError(
                self._subject,
                f"{doing} took longer than {seconds:g} s and its process was ended{self._printed.told()}",
                "Raise time_limit in its settings if it needs that long",
            ) from None
        except ConnectionEndedError:
            how = self._how_it_ended()
            self.end()
            raise WorkerDiedError(
                self._subject,
                f"its process ({self._python}) {how} at {doing}{self._printed.told()}",
                "Run again; with fewer workers if memory was short",
            ) from None
        except ProtocolError as error:
            self.end()
            raise PotentialError(
                self._subject, f"its process ({self._python}) answered wrongly: {error}", "Report it"
            ) from error
        except BaseException:  # an interrupt: what it is doing is no answer to the next question
            self.end()
            raise
        if "error" in answer:
            raise _as_raised(answer["error"])
        return answer, results

    def _how_it_ended(self) -> str:
        try:
            status = self._process.wait(_LAST_SECONDS)
        except subprocess.TimeoutExpired:
            return "closed its connection"
        if status >= 0:
            return f"ended with exit status {status}"
        try:
            name = signal.Signals(-status).name
        except ValueError:
            name = f"signal {-status}"
        return f"was killed ({name}{', as when memory runs out' if name == 'SIGKILL' else ''})"


def _end(process: subprocess.Popen[bytes], line: socket.socket, held: int, owner: int) -> None:
    """End a process that has been asked its last; not from a copy of the process that started it."""
    line.close()
    os.close(held)
    if os.getpid() != owner:
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):  # a device may keep even a killed process
        process.wait(_LAST_SECONDS)


class _Printed:
    """What a process prints: into the log as it comes, the last lines kept for errors."""

    def __init__(self, subject: str, stream: IO[bytes] | None) -> None:
        self._subject = subject
        self._lines: collections.deque[str] = collections.deque(maxlen=_LINES_KEPT)
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: Any) -> None:
        rest = b""
        while piece := stream.read1(1 << 16):
            *lines, rest = (rest + piece).replace(b"\r", b"\n").split(b"\n")
            rest = rest[-_LONGEST_TOLD:]
            for line in lines:
                self._keep(line)
        self._keep(rest)
        stream.close()

    def _keep(self, line: bytes) -> None:
        text = line.decode(errors="replace").strip()
        if text:
            log.debug("%s: %s", self._subject, text)
            self._lines.append(text)

    def told(self) -> str:
        """The last lines, once all has been read; empty where there are none."""
        self._thread.join(_LAST_SECONDS)
        text = " | ".join(self._lines)[-_LONGEST_TOLD:]
        return f"; it printed last: {text}" if text else ""


def _described(resolved: ResolvedPotential) -> dict[str, Any]:
    """What the other side needs to load it; its answer is checked and its interpreter known here."""
    settings = resolved.settings.model_dump(mode="json", include=set(PotentialSettings.model_fields))
    return {
        "info": asdict(resolved.info),
        "settings": settings,
        "dtype": resolved.dtype,
        "origin": {**asdict(resolved.origin), "folder": str(resolved.origin.folder or "")},
        "known_as": resolved.known_as,
        "weights_path": str(resolved.weights_path or ""),
        "weights_sha256": resolved.weights_sha256,
    }


def _place(module: str) -> str:
    """File, or folder of a package, of the top-level module that a module belongs to."""
    spec = importlib.util.find_spec(module.partition(".")[0])
    if spec is None or spec.origin is None:
        return ""
    return next(iter(spec.submodule_search_locations or []), spec.origin)


def _as_raised(described: Mapping[str, Any]) -> SoftmodeError:
    """An error of the other side, of its own kind."""
    kind = getattr(errors, str(described["kind"]), None)
    if not (isinstance(kind, type) and issubclass(kind, SoftmodeError)):
        kind = PotentialError
    error = kind(described["subject"], described["problem"], described["remedy"])
    if described["configurations"] and hasattr(error, "configurations"):
        error.configurations = tuple(int(index) for index in described["configurations"])
    return error
