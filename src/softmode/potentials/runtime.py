"""Handling of torch and of the model libraries: device, default precision, chatter."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import re
import warnings
from collections.abc import Iterator
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

from softmode.errors import CorruptWeightsError, PotentialError
from softmode.potentials.weights import unreadable

log = logging.getLogger(__name__)


def torch_device(name: str, subject: str) -> Any:
    """The torch device of that name.

    Raises
    ------
    PotentialError
        If this machine, or this build of torch, has none.
    """
    import torch

    device = torch.device(name)
    counts = {
        "cpu": lambda: 1,
        "cuda": torch.cuda.device_count,
        "mps": lambda: int(torch.backends.mps.is_available()),
        "xpu": lambda: torch.xpu.device_count() if torch.xpu.is_available() else 0,
    }
    available = counts[device.type]()
    if (device.index or 0) >= available:
        raise PotentialError(
            subject,
            f"device {name} is asked for, but torch {torch.__version__} finds {available} of that kind",
            'Set device = "cpu", or install a build of torch for the device',
        )
    return device


def load_numbers(path: Path, kind: str, remedy: str) -> Any:
    """What a file of torch holds, where that is numbers, texts and containers of them.

    Nothing in such a file is run when it is unpickled, by whomever.

    Parameters
    ----------
    path : Path
        The file.
    kind, remedy : str
        As of :func:`softmode.potentials.weights.unreadable`.

    Raises
    ------
    CorruptWeightsError
        If it cannot be read, or asks for anything else.
    """
    import numpy as np
    import torch

    of_numpy: Any = (np._core if hasattr(np, "_core") else np.core).multiarray
    arrays: list[Any] = [np.ndarray, np.dtype, *(type(np.dtype(name)) for name in "?fdilq")]
    for core in ("core", "_core"):  # as older and newer releases of numpy call it
        arrays += [
            (getattr(of_numpy, name), f"numpy.{core}.multiarray.{name}")
            for name in ("_reconstruct", "scalar")
        ]
    try:
        with torch.serialization.safe_globals(arrays):
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        wanted = re.search(r"GLOBAL (\S+)", str(error)) if isinstance(error, UnpicklingError) else None
        if wanted is None:
            raise unreadable(path, kind, error, remedy) from error
        raise CorruptWeightsError(
            str(path),
            f"is not weights alone: it asks for {wanted[1]}, and reading it would run that",
            f"Give weights as the package of {kind} saves them",
        ) from error


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory, of the machine or of an accelerator, did not suffice; of torch, TorchScript and JAX."""
    said = str(error)
    return (
        isinstance(error, MemoryError)
        or type(error).__name__ == "OutOfMemoryError"
        or any(words in said for words in ("out of memory", "can't allocate memory", "RESOURCE_EXHAUSTED"))
    )


@contextlib.contextmanager
def deterministic(device: Any) -> Iterator[None]:
    """Let torch add in a fixed order on an accelerator, where it otherwise adds as threads come.

    Where torch has no such kernel, which it would warn of, the other is used. TorchScript, which gives other
    last digits once it has optimised, for no gain, is kept from it. On a processor nothing changes.

    Parameters
    ----------
    device : torch.device
        Where the model is.
    """
    import torch

    if device.type == "cpu":
        yield
        return
    before = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    filled = torch.utils.deterministic.fill_uninitialized_memory
    # read when cuBLAS is started
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    try:
        torch.use_deterministic_algorithms(True, warn_only=True)
        torch.utils.deterministic.fill_uninitialized_memory = False
        with torch.jit.optimized_execution(False):
            yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])
        torch.utils.deterministic.fill_uninitialized_memory = filled


def deterministic_calculator(calculator: Any, device: Any) -> Any:
    """The calculator of a package, so that it adds in a fixed order; see :func:`deterministic`.

    Parameters
    ----------
    calculator : ase.calculators.calculator.Calculator
        Of a torch model.
    device : torch.device
        Where the model is.
    """
    calculate = calculator.calculate

    def in_order(*args: Any, **kwargs: Any) -> None:
        with deterministic(device):
            calculate(*args, **kwargs)

    calculator.calculate = in_order
    return calculator


def allow_e3nn_constants() -> None:
    """Let e3nn 0.4.4 read its own constants: torch 2.6 and newer refuse the slices among them."""
    import torch

    torch.serialization.add_safe_globals([slice])


@contextlib.contextmanager
def default_dtype(name: str | None = None) -> Iterator[None]:
    """Set torch's default precision (None: leave it) and put back what it was, whatever happens inside."""
    import torch

    before = torch.get_default_dtype()
    try:
        if name is not None:
            torch.set_default_dtype(getattr(torch, name))
        yield
    finally:
        torch.set_default_dtype(before)


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what a model library prints, warns and logs on the root logger off the terminal.

    What it printed goes to this module's logger at debug level.
    """
    root = logging.getLogger()
    # logging.info() configures the root logger when it has no handler yet, and so would change the
    # logging of the whole program; with a handler in place it does not.
    silencer = logging.NullHandler()
    root.addHandler(silencer)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        root.removeHandler(silencer)
        for line in printed.getvalue().splitlines():
            log.debug("%s", line)
