"""What a measurement returned, and everything that determined it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from numpy.typing import NDArray

from softmode import __version__
from softmode.errors import SoftmodeError, printable

Arrays = Mapping[str, NDArray[Any]]


def digest_of(content: object) -> str:
    """SHA-256 of the canonical JSON form of `content` (dicts sorted, floats by their shortest repr)."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


_LONGEST = 4000  # characters of the message of a failure, which stands in tables and pages


def _shortened(text: str, longest: int) -> str:
    """A text; of one that is too long the beginning and how much is left out, no longer than allowed."""
    if len(text) <= longest:
        return text
    kept = longest - 40
    return f"{text[:kept]} … ({len(text) - kept} more characters)"


#: Kind of a failure for want of memory, as :class:`softmode.errors.OutOfMemoryError` has it.
LACKED_MEMORY = "OutOfMemory"


@dataclass(frozen=True)
class Failure:
    """Why a measurement has no result.

    Parameters
    ----------
    kind : str
        Short name (``UncoveredElement``, ``NonFiniteForces``, ``WorkerDied`` …).
    message : str
        The explanation a person reads.
    transient : bool
        Whether the next run should try again.
    details : str
        Traceback of an unforeseen error, else empty.
    """

    kind: str
    message: str
    transient: bool = False
    details: str = ""

    @property
    def lacked_memory(self) -> bool:
        """Whether there was too little memory: another try alone may succeed, and nobody is to blame."""
        return self.kind == LACKED_MEMORY

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", _shortened(printable(self.message), _LONGEST))
        object.__setattr__(self, "details", _shortened(printable(self.details, keep="\n"), 10 * _LONGEST))

    @classmethod
    def from_error(cls, error: SoftmodeError) -> Failure:
        """Failure that records an explained error."""
        return cls(kind=error.kind, message=str(error), transient=error.transient)


@dataclass(frozen=True, eq=False, repr=False)
class Record:
    """Result, or failure, of one measurement in one cell.

    Parameters
    ----------
    key : str
        Digest of `inputs`; the address of the record.
    measurement : str
        Name of the measurement.
    inputs : mapping
        Everything that determined the result, JSON-able.
    values : mapping
        Scalars and short texts of the result, JSON-able.
    arrays : mapping of str to array
        Arrays of the result.
    failure : Failure or None
        Set when there is no result.
    created, seconds, software : str, float, str
        When it was made (UTC), how long it took all who worked on it (loading the potential is no part of
        that), by which softmode.
    calls : int or None
        Configurations that the potential was evaluated on to make it, whoever did it: helpers, and an earlier
        run that was interrupted, too. What stands in records it is made of is not among them. None where
        nobody counted.
    arithmetic : mapping
        What decides the last bits: linear algebra library and kernel, threads, versions
        (:func:`softmode.numerics.arithmetic`). No part of the key.
    """

    key: str
    measurement: str
    inputs: Mapping[str, Any]
    values: Mapping[str, Any] = field(default_factory=dict)
    arrays: Arrays = field(default_factory=dict)
    failure: Failure | None = None
    seconds: float = 0.0
    calls: int | None = None
    created: str = field(default_factory=lambda: datetime.now(UTC).isoformat(timespec="seconds"))
    software: str = field(default_factory=lambda: f"softmode {__version__}")
    arithmetic: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        """Whose it is, and what it holds; the numbers themselves may be megabytes."""
        held = f"{len(self.values)} values, arrays {', '.join(self.arrays) or 'none'}"
        held = held if self.failure is None else self.failure.message
        return f"<Record {self.measurement} {self.key[:8]}: {held}>"

    @property
    def ok(self) -> bool:
        """Whether there is a result."""
        return self.failure is None

    @property
    def settled(self) -> bool:
        """Whether there is nothing to compute: a result, or a failure that would repeat."""
        return self.failure is None or not self.failure.transient
