"""Modules of a user's own: found without importing them, also in the current folder, and told by content."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import importlib.util
import sys
import sysconfig
from collections.abc import Iterator, Sequence
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.metadata import packages_distributions
from pathlib import Path
from types import ModuleType

from softmode.errors import ChangedInputError
from softmode.potentials.interpreters import Interpreter

#: Modules of a user's own, and the SHA-256 of the source that was run.
_executed: dict[str, tuple[str, ModuleType]] = {}


def find_module(name: str, search: Sequence[str] | None = None) -> ModuleSpec | None:
    """As ``importlib.util.find_spec``, which imports the parents of a submodule; along `search` if given."""
    full_name, spec = "", None
    for part in name.split("."):
        full_name = f"{full_name}.{part}" if full_name else part
        spec = PathFinder.find_spec(full_name, search)
        if spec is None:
            return None
        search = spec.submodule_search_locations or []
    return spec


def folder_beyond_path(name: str, interpreter: Interpreter | None = None) -> Path | None:
    """The current folder, when a module lies there and its top-level name is found nowhere else.

    What is installed, or on PYTHONPATH, can so never be replaced by a file that happens to lie in the folder.
    """
    top = name.partition(".")[0]
    if interpreter is not None:
        found = interpreter.find(top) is not None
    else:
        # not importlib.util.find_spec, which answers otherwise once the module has been imported
        finders = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]
        found = any(finder.find_spec(top, None) is not None for finder in finders)
    if found:
        return None
    here = Path.cwd()
    return here if find_module(name, [str(here)]) is not None else None


@contextlib.contextmanager
def importable(folder: Path | None) -> Iterator[None]:
    """Let modules of a folder be imported inside the block, after all others."""
    if folder is None:
        yield
        return
    sys.path.append(str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


def source_sha256(
    name: str, folder: Path | None = None, interpreter: Interpreter | None = None
) -> str | None:
    """SHA-256 of the source file of a module, when that is the user's own and not installed."""
    search = interpreter.path if interpreter is not None else None
    spec = find_module(name, search if folder is None else [str(folder)])
    if spec is None or spec.origin is None or not spec.has_location:
        return None
    path = Path(spec.origin).resolve()
    here = (sysconfig.get_path(key) for key in ("purelib", "platlib", "stdlib"))
    installed = {Path(each).resolve() for each in (here if interpreter is None else interpreter.installed)}
    if not path.is_file() or any(path.is_relative_to(directory) for directory in installed):
        return None
    return hashlib.sha256(path.read_bytes()).hexdigest()


def import_source(name: str, sha256: str | None) -> ModuleType:
    """Import a module; one of the user's own runs the source that has this SHA-256, and no other.

    Python would run what it compiled earlier when size and time of the file are as they were, and a module
    imported before stays what it was then.

    Parameters
    ----------
    name : str
        Of the module.
    sha256 : str or None
        From :func:`source_sha256`; None for a module that is installed.

    Raises
    ------
    ChangedInputError
        If its source is another one now.
    """
    if sha256 is None:
        return importlib.import_module(name)
    parent = name.rpartition(".")[0]
    if parent:
        importlib.import_module(parent)
    spec = find_module(name)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    source = Path(spec.origin).read_bytes()
    if hashlib.sha256(source).hexdigest() != sha256:
        raise ChangedInputError(
            spec.origin, "has changed since it was looked up", "Run again with the module as it is now"
        )
    if not isinstance(spec.loader, SourceFileLoader):
        return importlib.import_module(name)
    made = _executed.get(name)
    if made is not None and made[0] == sha256:
        return made[1]
    before = sys.modules.get(name)
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    try:
        exec(compile(source, spec.origin, "exec"), module.__dict__)
    except BaseException:
        del sys.modules[name]
        raise
    finally:
        if before is not None and (made is None or before is not made[1]):
            sys.modules[name] = before  # whoever imported it before goes on with the objects they have
    _executed[name] = sha256, module
    return module


def distribution_version(distribution: str, interpreter: Interpreter | None = None) -> str:
    """Version of a distribution, ``"unknown"`` where it is not installed."""
    if interpreter is not None:
        return interpreter.version_of(distribution) or "unknown"
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "unknown"


def module_version(name: str, interpreter: Interpreter | None = None) -> str:
    """Version of the distribution a module comes from, ``"unknown"`` for modules of no distribution."""
    top = name.partition(".")[0]
    version = distribution_version(top, interpreter)
    if version != "unknown":
        return version
    distributions = (
        packages_distributions().get(top, []) if interpreter is None else interpreter.providers(top)
    )
    return (
        ", ".join(f"{each} {distribution_version(each, interpreter)}" for each in distributions) or "unknown"
    )
