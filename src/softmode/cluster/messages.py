"""What a worker and the process that runs a study say to each other, encrypted with keys of Parsl's run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

#: What is missing somewhere, and what to do.
Missing = tuple[str, str]


@dataclass(frozen=True)
class Line:
    """All that a worker needs to report for work.

    Parameters
    ----------
    lane : int
        Its number among the workers.
    urls : tuple of str
        Where the other side may be reached.
    keys : str
        Folder of the keys.
    threads : int
        Of the numerical libraries.
    memory_limit : float or None
        What it may take, GiB.
    period, silence : float
        s between signs of life; after how long the other side is taken for dead.
    lasting : int or None
        s after which its job is near its end.
    pool : str
        What the workers of its kind are called.
    survey : bytes
        Function and argument, pickled: what it asks itself before it reports, see :class:`Ready`; empty where
        nothing is asked.
    """

    lane: int
    urls: tuple[str, ...]
    keys: str
    threads: int
    memory_limit: float | None
    period: float
    silence: float
    lasting: int | None
    pool: str = ""
    survey: bytes = b""


@dataclass(frozen=True)
class Place:
    """Where a worker is.

    Parameters
    ----------
    host : str
        Name of the machine.
    pid : int
        Of its process there.
    block : str
        The job it is in, as Parsl counts them.
    accelerator : str
        Those it may use, as in ``CUDA_VISIBLE_DEVICES``; empty where it has none of its own.
    pool : str
        What the workers of its kind are called.
    """

    host: str
    pid: int
    block: str = ""
    accelerator: str = ""
    pool: str = ""


@dataclass(frozen=True)
class Ready:
    """A worker that can be given something.

    Parameters
    ----------
    lane : int
        Its number among the workers.
    place : Place
        Where it is.
    lacks : mapping of str to Missing
        What it cannot be given, by name, and why.
    """

    lane: int
    place: Place
    lacks: Mapping[str, Missing] = field(default_factory=dict)


@dataclass(frozen=True)
class Beat:
    """A sign of life, of either side."""


@dataclass(frozen=True)
class Leaving:
    """A worker ends, for its job does."""


@dataclass(frozen=True)
class Work:
    """Something to do.

    Parameters
    ----------
    number : int
        Its number.
    content : bytes
        Function and argument, pickled.
    fresh : bool
        In a new process, which nothing has been done in.
    """

    number: int
    content: bytes
    fresh: bool = False


@dataclass(frozen=True)
class Ended:
    """What came of something.

    Parameters
    ----------
    number : int
        Its number.
    result : bytes
        What the function returned, pickled; empty where it returned nothing.
    error : BaseException or None
        What it raised, of which the message is kept.
    died, late : bool
        The process died; it was killed for it did not come to an end in the time its potential may take.
    seconds : float
        How long it took.
    last : bool
        The worker ends now, for its job does.
    """

    number: int
    result: bytes = b""
    error: BaseException | None = None
    died: bool = False
    late: bool = False
    seconds: float = 0.0
    last: bool = False


@dataclass(frozen=True)
class End:
    """Nothing more for this worker."""


Message = Ready | Beat | Leaving | Work | Ended | End | dict[str, Any]
