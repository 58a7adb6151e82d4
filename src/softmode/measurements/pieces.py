"""Batches of configurations that have been evaluated: saved as they come, found again, shared with helpers.

Where a measurement is made by one process, others may help with it: it goes on from the first batch, they
from the last, and each batch is begun by one of them. On processors of one kind a batch holds the same bits
whoever evaluates it; who has another arithmetic does not help, and what such a helper has evaluated is not
used. So the record does not tell. Its calls and seconds are those of all that went into it.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from softmode.deadlines import pause_where_asked
from softmode.errors import StorageError
from softmode.files import write_atomically
from softmode.numerics import same_arithmetic
from softmode.records import Partial

Batch = dict[str, NDArray[Any]]

_BATCH = ("forces", "energies", "seconds")  # the last: how long it took; not in pieces of earlier versions

_SAVE_EVERY = 10.0  # s between saving what has been evaluated
_SAVE_SHARED_EVERY = 2.0  # where others wait for it
_LOOK_EVERY = 1.0  # s between looks for what others have evaluated

_HELPER, _BEGUN, _ARITHMETIC = "helper_", "begun", "arithmetic.json"
_TRIES = 3  # to mark a batch as begun, while the marks of an earlier process are removed


class HelpEndedError(Exception):
    """A helper has nothing more to do; `batches` is what it has evaluated."""

    def __init__(self, batches: int) -> None:
        super().__init__(batches)
        self.batches = batches


@dataclass(frozen=True)
class Help:
    """That a process only helps with a measurement, which another makes.

    Parameters
    ----------
    number : int
        Of the helper; no two of a study that is running have the same.
    over : callable
        Whether the record is there, and nothing is to be made any more.
    forget : callable
        Removes the pieces that are not kept beside the record.
    """

    number: int
    over: Callable[[], bool]
    forget: Callable[[], None]


class _Place:
    """Pieces in a folder, of which only those that are new are read."""

    def __init__(self, partial: Partial, arithmetic: Mapping[str, Any] | None = None) -> None:
        self.partial, self.n, self._arithmetic = partial, 0, arithmetic

    def new(self) -> dict[int, Batch]:
        """Batches in pieces that have not been read, by their first configuration."""
        found = {}
        while (piece := self.partial.load(self.n)) is not None:
            self.n += 1
            said = json.loads(str(piece.get("arithmetic", "{}")))
            if self._arithmetic is not None and not same_arithmetic(said, self._arithmetic):
                continue
            for start in piece.get("starts", np.empty(0, int)).tolist():
                names = (name for name in _BATCH if f"{name}_{start}" in piece)
                found[start] = {name: piece[f"{name}_{start}"] for name in names}
        return found

    def save(self, batches: Mapping[int, Batch], arithmetic: Mapping[str, Any]) -> None:
        """Save some as the next piece."""
        arrays = {
            f"{name}_{start}": array for start, batch in batches.items() for name, array in batch.items()
        }
        said = {"starts": np.array(list(batches)), "arithmetic": np.array(json.dumps(arithmetic))}
        self.partial.save(self.n, said | arrays)
        self.n += 1


class Pieces:
    """Batches that have been evaluated, and which to evaluate next.

    Parameters
    ----------
    partial : Partial or None
        Where they are kept.
    help : Help, optional
        Given where this process only helps.
    arithmetic : mapping
        What decides the last bits of what this process evaluates.
    """

    def __init__(
        self,
        partial: Partial | None,
        help: Help | None = None,
        arithmetic: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._partial, self._help, self._arithmetic = partial, help, dict(arithmetic)
        self._known: dict[int, Batch] = {}
        self._unsaved: dict[int, Batch] = {}
        self._others: dict[str, _Place] = {}
        self._shared = help is not None
        self._made: set[int] = set()
        self._saved_at, self._looked_at = time.monotonic(), 0.0
        if partial is None:
            return
        self._begun = partial.folder / _BEGUN
        self._own = _Place(partial)
        if help is not None:
            self._others[""] = self._own
            self._own = _Place(Partial(partial.folder / f"{_HELPER}{help.number}"))
        else:
            shutil.rmtree(self._begun, ignore_errors=True)  # by those that were there before
        self._known |= self._own.new()
        self._look()

    def batch(self, start: int) -> Batch:
        """The batch that begins with this configuration, which has been evaluated."""
        return self._known[start]

    def elsewhere(self, starts: Iterable[int]) -> tuple[int, float]:
        """How many configurations of these batches this process has not evaluated, and how long they took."""
        found = [self._known[start] for start in starts if start in self._known and start not in self._made]
        seconds = (float(batch.get("seconds", 0.0)) for batch in found)
        return sum(len(batch["energies"]) for batch in found), sum(seconds)

    def _knows(self, start: int, size: int) -> bool:
        batch = self._known.get(start)
        # a last, smaller batch may be of fewer than there are now
        return batch is not None and len(batch["energies"]) == size

    def turns(self, sizes: Mapping[int, int]) -> Iterator[int]:
        """Beginnings of batches to evaluate, one after the other.

        Parameters
        ----------
        sizes : mapping of int to int
            All batches: how many configurations, by the first.

        Raises
        ------
        HelpEndedError
            In a helper, when all have been begun or the record is there.
        """
        if self._help is not None:
            yield from self._turns_of_helper(sizes)
            self.save()
            raise HelpEndedError(len(self._made))
        left = []
        for start, size in sizes.items():
            self._look()
            if self._knows(start, size):
                continue
            if self._shared and not self._begin(start):
                left.append(start)
            else:
                yield start
        for start in reversed(left):  # those begun by helpers that are lost, and what others are about
            self._look(now=True)
            if not self._knows(start, sizes[start]):
                yield start

    def _turns_of_helper(self, sizes: Mapping[int, int]) -> Iterator[int]:
        assert self._help is not None
        for start in reversed(sizes):
            self._look()
            if self._help.over() or not self._is_of_use():
                return
            if not self._knows(start, sizes[start]) and self._begin(start):
                yield start

    def _is_of_use(self) -> bool:
        """Whether what this helper evaluates will be used, as far as that is known."""
        assert self._partial is not None
        try:
            said = json.loads((self._partial.folder / _ARITHMETIC).read_bytes())
        except (OSError, ValueError):  # it has not begun yet
            return True
        return same_arithmetic(said, self._arithmetic)

    def add(self, start: int, batch: Batch) -> None:
        """Keep a batch; save those not saved yet when enough time has passed, or a pause is asked for.

        Raises
        ------
        PausedError
            If the process has been asked to pause; what there is has been saved.
        """
        self._known[start] = self._unsaved[start] = batch
        self._made.add(start)
        every = _SAVE_SHARED_EVERY if self._shared else _SAVE_EVERY
        if time.monotonic() - self._saved_at >= every:
            self.save()
        if self._partial is not None:
            pause_where_asked(self.save)

    def save(self) -> None:
        """Save what has not been saved yet."""
        if self._partial is None:
            return
        if self._unsaved:
            self._own.save(self._unsaved, self._arithmetic)
            self._unsaved = {}
            self._saved_at = time.monotonic()
        if self._help is not None and self._help.over():  # whoever made it does not look any more
            self._help.forget()

    def _begin(self, start: int) -> bool:
        """Whether nobody has begun a batch yet: who calls this has, then."""
        for attempt in range(_TRIES):
            try:
                self._begun.mkdir(parents=True, exist_ok=True)
                os.close(os.open(self._begun / str(start), os.O_CREAT | os.O_EXCL | os.O_WRONLY))
                return True
            except FileExistsError:
                return False
            except OSError as error:
                if isinstance(error, FileNotFoundError) and attempt < _TRIES - 1:
                    continue  # whoever makes it now has just removed what was begun before
                raise StorageError(
                    str(self._begun),
                    f"cannot be written ({error.strerror or error})",
                    "Check its permissions",
                ) from error
        raise AssertionError

    def _look(self, *, now: bool = False) -> None:
        """See, every now and then, what others have evaluated."""
        if self._partial is None or (not now and time.monotonic() < self._looked_at + _LOOK_EVERY):
            return
        self._looked_at = time.monotonic()
        for folder in _helpers(self._partial.folder):
            if not self._shared:  # others are told whether they are of use
                self._shared = True
                said = json.dumps(self._arithmetic).encode()
                write_atomically(self._partial.folder / _ARITHMETIC, said)
            if folder != self._own.partial.folder and folder.name not in self._others:
                self._others[folder.name] = _Place(Partial(folder), self._arithmetic)
        for place in self._others.values():
            self._known = place.new() | self._known


def _helpers(folder: Path) -> list[Path]:
    """Where helpers keep what they have evaluated."""
    try:
        return [place for place in folder.iterdir() if place.name.startswith(_HELPER)]
    except OSError:
        return []
