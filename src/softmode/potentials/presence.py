"""Whether potentials that were resolved on one machine can run on another: asked there, nothing is loaded."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Mapping
from pathlib import Path

from softmode.errors import (
    MissingDependencyError,
    MissingWeightsError,
    PotentialError,
    SoftmodeError,
)
from softmode.potentials.resolution import ResolvedPotential

#: What drivers of accelerators put where programs find them: NVIDIA, AMD, Windows' own Linux.
_DRIVERS = ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")


def lacking(potentials: Mapping[str, ResolvedPotential]) -> dict[str, tuple[str, str]]:
    """Potentials that cannot run here: what is missing, and what to do.

    Parameters
    ----------
    potentials : mapping of str to ResolvedPotential
        By label; resolved here or elsewhere.
    """
    found = {}
    for label, potential in potentials.items():
        try:
            require(potential)
        except SoftmodeError as error:
            found[label] = error.problem, error.remedy
        except Exception as error:  # noqa: BLE001  as of a folder that may not be read: the others can run
            problem = f"it cannot be told whether it is there ({type(error).__name__}: {error})"
            found[label] = problem, "Try it on a node: softmode cluster check"
    return found


def require(potential: ResolvedPotential) -> None:
    """Refuse a potential whose interpreter, package, module, weights or kind of device is not here.

    Raises
    ------
    MissingDependencyError, MissingWeightsError, PotentialError
        With what is missing.
    """
    name, interpreter = potential.info.name, potential.interpreter
    if interpreter is not None:
        interpreter.require(name)
    potential.family.require(name, interpreter)
    module = potential.known_as.partition(":")[0] if ":" in potential.known_as else ""
    if module and interpreter is None and not _is_module(module.partition(".")[0]):
        raise MissingDependencyError(
            name, f"there is no module {module}", "Put it where it is found there too, as by PYTHONPATH"
        )
    weights = potential.weights_path
    if weights is not None and not weights.exists():
        raise MissingWeightsError(
            name, f"its weights {weights} are not there", "Keep them on a file system that is seen there too"
        )
    if potential.settings.device.partition(":")[0] == "cuda" and not _has_accelerator():
        raise PotentialError(
            name, 'device = "cuda", and there is no accelerator', "Give it to nodes that have one"
        )


def _is_module(name: str) -> bool:
    try:
        return importlib.util.find_spec(name) is not None
    except ValueError:  # a module that is loaded and says nothing of where it is from
        return True


def _has_accelerator() -> bool:
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "unsaid").strip() in ("", "-1")
    return not hidden and any(Path(driver).exists() for driver in _DRIVERS)
