"""The errors a person sees: what is affected, what is wrong with it, and what to do about it."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches

#: Control characters, invisible ones (they can reverse what follows), halves of characters, breaks of lines.
_UNPRINTABLE = ("Cc", "Cf", "Cs", "Zl", "Zp")


def printable(text: str, keep: str = "") -> str:
    r"""A text without what a terminal would obey and what no file can hold.

    Control characters, and bytes of names that are not UTF-8, are written out, as ``\x1b``.

    Parameters
    ----------
    text : str
        Of any origin.
    keep : str
        Characters to leave as they are, as the line break.
    """
    if text.isprintable():
        return text
    return "".join(
        ascii(c)[1:-1] if unicodedata.category(c) in _UNPRINTABLE and c not in keep else c for c in text
    )


class SoftmodeError(Exception):
    """A problem that is explained to the user in one line, never as a traceback.

    Parameters
    ----------
    subject : str
        The file, material, potential or setting concerned.
    problem : str
        What is wrong with it.
    remedy : str
        What the user can do.
    """

    #: Whether running the same thing again, unchanged, can succeed (a full disk, an absent weight file).
    #: Studies keep failures that cannot, and try the others again on the next run.
    transient: bool = False

    def __init__(self, subject: str, problem: str, remedy: str) -> None:
        super().__init__(subject, problem, remedy)
        self.subject = subject
        self.problem = problem
        self.remedy = remedy

    def __str__(self) -> str:
        return printable(f"{self.subject}: {self.problem}. {self.remedy}.")

    @property
    def kind(self) -> str:
        """Short machine-readable name of the failure, as it stands in tables."""
        return type(self).__name__.removesuffix("Error")


class InputDataError(SoftmodeError):
    """Reference data that cannot be used: truncated, inconsistent, not finite."""


class SettingsError(SoftmodeError):
    """A study file, option or name that is not understood."""


class PotentialError(SoftmodeError):
    """A potential that cannot be used as asked."""


class UncoveredElementError(PotentialError):
    """A configuration holds an element the potential was not trained on."""


class NonFiniteForcesError(PotentialError):
    """A potential returned NaN or infinity.

    Parameters
    ----------
    subject, problem, remedy : str
        As for every :class:`SoftmodeError`.
    configurations : tuple of int
        Which configurations of the batch, counted from 0.
    """

    def __init__(self, subject: str, problem: str, remedy: str, configurations: tuple[int, ...] = ()) -> None:
        super().__init__(subject, problem, remedy)
        self.configurations = configurations


class OutOfMemoryError(PotentialError):
    """There was too little memory, which says nothing about the potential."""

    transient = True


class MissingDependencyError(PotentialError):
    """The Python package of a potential is not installed."""

    transient = True


class InstallationError(SoftmodeError):
    """An environment for a potential that cannot be made."""

    transient = True


class MissingExtraError(SoftmodeError):
    """A Python package of an optional part of softmode is not installed."""

    transient = True


class MissingWeightsError(PotentialError):
    """Weights that are neither on this machine nor obtainable from the network."""

    transient = True


class CorruptWeightsError(PotentialError):
    """A weight file that is incomplete or not what it should be."""

    transient = True


class WrongAnswerError(PotentialError):
    """A potential without the energy and forces that upstream's own code gives with its weights."""

    transient = True


class DownloadError(SoftmodeError):
    """A file that could not be fetched from the network.

    Parameters
    ----------
    subject, problem, remedy : str
        As for every :class:`SoftmodeError`.
    status : int or None
        HTTP status of a refusal.
    """

    transient = True

    def __init__(self, subject: str, problem: str, remedy: str, status: int | None = None) -> None:
        super().__init__(subject, problem, remedy)
        self.status = status


class DamagedDownloadError(DownloadError):
    """What came from the network is not what was asked for: cut off, damaged, a web page."""


class UndeclaredInputError(SoftmodeError):
    """A measurement read something that it does not declare, so that its records' keys would not hold it."""

    transient = True


class ChangedInputError(SoftmodeError):
    """What was read, or the code that was run, is not what the record it was for says."""

    transient = True


class MeasurementFailedError(SoftmodeError):
    """A measurement failed before, and its record says why."""


class RelaxationError(SoftmodeError):
    """A relaxation that did not converge or left the crystal behind."""


class StorageError(SoftmodeError):
    """A record or report that could not be written or read (full disk, no permission, damaged file)."""

    transient = True


class StudyIsRunningError(SoftmodeError):
    """A study that another process runs."""

    transient = True


class WorkerDiedError(SoftmodeError):
    """A worker process that ended without an answer (out of memory, killed, crashed)."""

    transient = True


class ClusterError(SoftmodeError):
    """A cluster that gives no workers."""

    transient = True


class TimeLimitError(SoftmodeError):
    """A potential that took longer than its time limit."""

    transient = True


def nearest_names(wanted: str, known: Sequence[str], limit: int = 3) -> list[str]:
    """Names that look like `wanted`."""
    inside = [name for name in known if wanted in name or (len(name) > 2 and name in wanted)]
    return list(dict.fromkeys([*get_close_matches(wanted, known, n=limit, cutoff=0.6), *inside]))[:limit]


def did_you_mean(wanted: str, known: Sequence[str]) -> str:
    """A remedy for a name that does not exist."""
    near = nearest_names(wanted, known)
    if near:
        return f"did you mean {' or '.join(near)}"
    return f"known are: {', '.join(known[:8])}{', …' if len(known) > 8 else ''}"
