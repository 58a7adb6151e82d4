"""Calculators and executors for tests, named ``softmode_test_factories:…``; workers import them."""

from __future__ import annotations

import ctypes
import hashlib
import os
import signal
import time
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT


class AdjustableEMT(EMT):
    """EMT with hooks before and after each evaluation."""

    def before(self) -> None:
        """Called before an evaluation."""

    def after(self, results: dict[str, Any]) -> None:
        """Called with the results, which it may change."""

    def calculate(self, *args: Any, **kwargs: Any) -> None:
        self.asked = args[0] if args else kwargs["atoms"]
        self.before()
        super().calculate(*args, **kwargs)
        self.after(self.results)


def scaled_emt(factor: float) -> EMT:
    """Energies and forces of EMT times `factor`: force constants are `factor` times EMT's."""

    class Scaled(AdjustableEMT):
        def after(self, results: dict[str, Any]) -> None:
            for name in ("energy", "free_energy", "forces", "energies", "stress"):
                if name in results:
                    results[name] = factor * results[name]

    return Scaled()


def stiff_emt() -> EMT:
    """EMT with all energies and forces a fifth larger."""
    return scaled_emt(1.2)


def counting_emt(log: str, seconds: float = 0.0) -> EMT:
    """EMT that appends a line to `log` for each evaluation: process, and digest of the configuration."""

    class Counting(AdjustableEMT):
        def after(self, results: dict[str, Any]) -> None:
            asked = self.atoms.positions.tobytes() + self.atoms.cell.array.tobytes()
            with Path(log).open("a") as file:
                file.write(f"{os.getpid()} {hashlib.sha256(asked).hexdigest()}\n")
            time.sleep(seconds)

    return Counting()


def slow_emt(seconds: float) -> EMT:
    """EMT that takes `seconds` for each evaluation."""

    class Slow(AdjustableEMT):
        def before(self) -> None:
            time.sleep(seconds)

    return Slow()


def sometimes_slow_emt() -> EMT:
    """EMT that takes its time where there is a file ``slow`` in the current directory."""
    return slow_emt(0.02 if Path("slow").exists() else 0.0)


def logging_emt(log: str) -> EMT:
    """EMT that appends a digest of the positions to `log`.

    Where ``<log>.slow`` exists it takes its time, and every batch of a trajectory is saved, in this process.
    """
    slow = Path(f"{log}.slow").exists()
    if slow:
        from softmode.measurements import pieces

        pieces._SAVE_EVERY = 0.0

    class Logging(AdjustableEMT):
        def calculate(self, atoms: Any = None, *args: Any, **kwargs: Any) -> None:
            digest = hashlib.sha256(np.round(atoms.positions, 6).tobytes()).hexdigest()
            with Path(log).open("a") as file:
                file.write(f"{digest}\n")
            time.sleep(0.05 if slow else 0.0)
            self.initialize(atoms)  # else rounding depends on the configuration before
            super().calculate(atoms, *args, **kwargs)

    return Logging()


def interrupted_emt(after: int) -> Callable[[str], EMT]:
    """A factory of :func:`logging_emt` that is interrupted after so many evaluations of all it makes."""
    calls = 0

    def make(log: str) -> EMT:
        calculator = logging_emt(log)
        calculate = calculator.calculate

        def counted(*args: Any, **kwargs: Any) -> None:
            nonlocal calls
            calls += 1
            if calls > after:
                raise KeyboardInterrupt
            calculate(*args, **kwargs)

        calculator.calculate = counted
        return calculator

    return make


def double_wells(quartic: float, flag: str = "") -> Calculator:
    """Copper whose nine modes at X, 1 eV/Å² below zero, lie in double wells with `quartic` eV/Å⁴.

    A staggered displacement ``Q`` has the energy ``(b Q⁴ - 2 Q²)/4``, every other mode that of 2 eV/Å². Where
    there is a file `flag`, the 215th evaluation fails.
    """

    class DoubleWells(Calculator):  # type: ignore[misc]
        implemented_properties: ClassVar[list[str]] = ["energy", "forces"]
        count = 0

        def calculate(self, atoms: Any = None, properties: Any = (), system_changes: Any = ()) -> None:
            super().calculate(atoms, properties, system_changes)
            self.count += 1
            if flag and self.count == 215 and Path(flag).exists():
                raise RuntimeError("the plug was pulled")
            half = 0.5 * np.array(atoms.cell.array)  # 2 x 2 x 2 primitive cells
            places = np.rint(atoms.positions @ np.linalg.inv(half)).astype(int)
            moved = atoms.positions - places @ half
            moved -= moved.mean(axis=0)
            waves = np.array([[1, 1, 0], [1, 0, 1], [0, 1, 1]])  # the three X, in terms of the cell
            patterns = (-1.0) ** (places @ waves.T) / np.sqrt(len(atoms))
            modes = patterns.T @ moved
            energy = (moved**2).sum() - 1.5 * (modes**2).sum() + 0.25 * quartic * (modes**4).sum()
            forces = -2.0 * moved + patterns @ (3.0 * modes - quartic * modes**3)
            self.results = {"energy": float(energy), "forces": forces}

    return DoubleWells()


def nan_close_emt(distance: float) -> EMT:
    """EMT that returns NaN where two atoms are closer than `distance` (Å)."""

    class NotANumberWhenClose(AdjustableEMT):
        def after(self, results: dict[str, Any]) -> None:
            if _shortest(self.atoms) < distance:
                results["forces"] = np.full_like(results["forces"], np.nan)

    return NotANumberWhenClose()


def _shortest(atoms: Any) -> float:
    """Shortest distance between two atoms, Å."""
    distances = atoms.get_all_distances(mic=True)
    return float(distances[np.triu_indices(len(atoms), 1)].min())


def nan_emt() -> EMT:
    """EMT with one force that is not a number."""

    class NotANumber(AdjustableEMT):
        def after(self, results: dict[str, Any]) -> None:
            results["forces"] = np.array(results["forces"])
            results["forces"][0, 0] = np.nan

    return NotANumber()


def dying_emt(element: str = "Cu") -> EMT:
    """EMT whose process ends at once, without a word, when it meets `element`."""

    class Dying(AdjustableEMT):
        def calculate(self, atoms: Any = None, *args: Any, **kwargs: Any) -> None:
            if element in atoms.get_chemical_symbols():
                os._exit(3)
            super().calculate(atoms, *args, **kwargs)

    return Dying()


def misbehaving_emt(what: str, marker: str = "") -> EMT:
    """EMT that ends, hangs or prints when it is evaluated.

    Parameters
    ----------
    what : str
        ``exit``, ``abort``, ``hang`` (deaf to all that Python could stop), ``print`` or ``shape``.
    marker : str
        A file: where it is given, it does so once, and makes the file.
    """

    class Misbehaving(AdjustableEMT):
        def before(self) -> None:
            if marker and Path(marker).exists():
                return
            if marker:
                Path(marker).touch()
            print("last words of the library")  # noqa: T201
            os.write(1, b"written without Python\n")
            if what == "exit":
                raise SystemExit(7)
            if what == "abort":
                os.abort()
            if what == "hang":
                signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
                time.sleep(600)

        def after(self, results: dict[str, Any]) -> None:
            if what == "shape":
                results["forces"] = results["forces"][:-1]
            if what == "float32":
                results["forces"] = results["forces"].astype(np.float32)

    return Misbehaving()


def raising_emt(message: str = "the sum [/of] all [red] fears") -> EMT:
    """EMT that raises."""

    class Raising(AdjustableEMT):
        def before(self) -> None:
            raise RuntimeError(message)

    return Raising()


def one_thread() -> Executor:
    """An executor in this process: no processes have to be started."""
    return ThreadPoolExecutor(1)


def four_threads() -> Executor:
    """An executor whose cells run at the same time in one process."""
    return ThreadPoolExecutor(4)


def no_executor() -> str:
    """Something else than an executor."""
    return "nothing"


def hostile_loader(loader: Callable[[], Any], what: str) -> Any:
    """A reader that ends its process, never ends, or raises what nobody foresaw."""
    if what == "kill":
        os.kill(os.getpid(), signal.SIGSEGV)
    if what == "hang":
        time.sleep(3600)
    if what == "raise":
        return 1 / 0
    return loader()


def hanging_emt(symbol: str) -> EMT:
    """EMT that never answers for a crystal of `symbol`, and lets no other thread of its process run."""

    class Hanging(AdjustableEMT):
        def before(self) -> None:
            if set(self.asked.get_chemical_symbols()) == {symbol}:
                ctypes.PyDLL(None).sleep(3600)  # holds the interpreter's lock

    return Hanging()


def hungry_emt(symbol: str, log: str) -> EMT:
    """EMT that takes 3 GiB for a crystal of `symbol`, the first time."""

    class Hungry(AdjustableEMT):
        def before(self) -> None:
            if set(self.asked.get_chemical_symbols()) == {symbol} and not Path(log).exists():
                Path(log).touch()
                self.eaten = np.ones(3 << 27)
                time.sleep(30)

    return Hungry()


def memoryless_emt(log: str) -> EMT:
    """EMT that has too little memory the first time it is asked, in each process but the last."""

    class Memoryless(AdjustableEMT):
        def before(self) -> None:
            if not Path(log).exists():
                Path(log).touch()
                raise MemoryError

    return Memoryless()


def out_of_memory_emt(symbol: str) -> EMT:
    """EMT that never has enough memory for a crystal of `symbol`."""

    class Poor(AdjustableEMT):
        def before(self) -> None:
            if set(self.asked.get_chemical_symbols()) == {symbol}:
                raise MemoryError

    return Poor()


def fresh_emt(factor: float = 1.0) -> EMT:
    """EMT times `factor` that keeps nothing of earlier configurations: the same bits in any order."""

    class Fresh(AdjustableEMT):
        def calculate(self, atoms: Any = None, *args: Any, **kwargs: Any) -> None:
            self.initialize(atoms)  # else rounding depends on the configuration before
            super().calculate(atoms, *args, **kwargs)

        def after(self, results: dict[str, Any]) -> None:
            for name in ("energy", "free_energy", "forces", "energies", "stress"):
                if name in results:
                    results[name] = factor * results[name]

    return Fresh()
