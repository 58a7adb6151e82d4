"""Handling of torch and of the model libraries: device, default precision, chatter."""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import Any

from softmode.errors import PotentialError

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
