"""Who has computed what of a study on a cluster, and where its time went: lines written as it happens.

A line is one of six things: a run begins, with as many workers as it asks for; a worker has come, with where
it is; one has left; one has nothing to do, or has something again; a cell is finished, or was worked on in
vain and is tried again; part of a cell is done, by a helper or until a pause. Earlier versions wrote those of
cells alone.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean
from typing import Any

from softmode.cluster.messages import Place
from softmode.study.folder import Case
from softmode.study.worker import CaseOutcome

FOLDER = "cluster"
WORK_FILE = "work.jsonl"

_RECENT = 600.0  # s over which the rate is that of now
_log = logging.getLogger(__name__)


class WorkLog:
    """Writes the lines; what cannot be written now, as on a disk that is full, is written with the next.

    Parameters
    ----------
    folder : Path
        Of the study.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FOLDER / WORK_FILE
        self._waiting = b""
        self._here: dict[int, Place] = {}
        self._idle: set[int] = set()

    def __enter__(self) -> WorkLog:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("ab", buffering=0)
        return self

    def __exit__(self, *raised: object) -> None:
        for worker in list(self._here):
            self.left(worker)
        self._file.close()

    def began(self, workers: Mapping[str, int]) -> None:
        """A run begins, with so many workers of each kind at most."""
        self._write({"run": dict(workers), "at": _now()})

    def came(self, worker: int, place: Place, cores: int) -> None:
        """A worker is there; nothing where it has been."""
        if worker not in self._here:
            self._here[worker] = place
            self._write({"worker": worker, "came": _now(), **_of(place), "cores": cores})

    def left(self, worker: int) -> None:
        """A worker is there no more."""
        self._idle.discard(worker)
        if self._here.pop(worker, None) is not None:
            self._write({"worker": worker, "left": _now()})

    def idle(self, worker: int, idle: bool) -> None:
        """A worker has nothing to do, or has something again; nothing where that is known."""
        if idle != (worker in self._idle):
            (self._idle.add if idle else self._idle.discard)(worker)
            self._write({"worker": worker, "idle": idle, "at": _now()})

    def note(self, case: Case, outcome: CaseOutcome, worker: int, place: Place | None) -> None:
        """A cell is finished."""
        seconds = {"seconds": round(outcome.seconds, 3), "loading": round(outcome.loading, 3)}
        self._note(case, seconds, worker, place)

    def part(self, case: Case, outcome: CaseOutcome, worker: int, place: Place | None) -> None:
        """A part of a cell is done, by whoever helps with it, or until it was paused."""
        seconds = {"part": round(outcome.seconds, 3), "loading": round(outcome.loading, 3)}
        self._note(case, seconds, worker, place)

    def in_vain(self, case: Case, seconds: float, worker: int, place: Place | None) -> None:
        """A cell was worked on, and is tried again or has failed."""
        self._note(case, {"repeated": round(seconds, 3)}, worker, place)

    def _note(self, case: Case, said: Mapping[str, float], worker: int, place: Place | None) -> None:
        cell = {"material": case.material.name, "potential": case.label, **said, "ended": _now()}
        self._write(cell | ({} if place is None else {"worker": worker, **_of(place)}))

    def _write(self, said: Mapping[str, Any]) -> None:
        self._waiting += json.dumps(said).encode() + b"\n"
        try:
            while self._waiting:
                self._waiting = self._waiting[self._file.write(self._waiting) :]
        except OSError as error:  # file systems recover
            _log.info("%s cannot be written now: %s", self._path, error)


def _of(place: Place) -> dict[str, str]:
    return {
        "host": place.host,
        "pool": place.pool,
        "job": place.block,
        "accelerator": place.accelerator,
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass
class Share:
    """What was computed on a host, or with a potential.

    Attributes
    ----------
    name : str
        Of the host, or the potential.
    cells : int
        How many were finished.
    hours : float
        That they took, of all workers together; with what was done of others.
    last : str
        When the last was, UTC, ISO 8601.
    """

    name: str
    cells: int = 0
    hours: float = 0.0
    last: str = ""

    def add(self, seconds: float, ended: str, *, finished: bool) -> None:
        """Count what went into a cell, and the cell where it is finished."""
        self.cells += finished
        self.hours += seconds / 3600
        self.last = max(self.last, ended)


@dataclass
class _Worker:
    """One that has come."""

    since: datetime
    cores: int
    card: tuple[str, ...] | None
    busy: datetime | None  # since when with what it has not finished


@dataclass
class _Card:
    """An accelerator, and those whose it is; several may share one."""

    since: datetime
    workers: set[int] = field(default_factory=set)


@dataclass
class Hours:
    """Where the hours of workers went.

    Attributes
    ----------
    computing, loading, repeated : float
        Cells that are finished; loading potentials for them; what was begun in vain.
    under_way : float
        What workers are at now.
    present : float
        All hours of workers that were there; idle is what is left of them.
    cores, accelerators : float
        The same for each core and each accelerator that was theirs.
    """

    computing: float = 0.0
    loading: float = 0.0
    repeated: float = 0.0
    under_way: float = 0.0
    present: float = 0.0
    cores: float = 0.0
    accelerators: float = 0.0

    @property
    def idle(self) -> float:
        """Hours of workers that had nothing to do, or waited for it."""
        busy = self.computing + self.loading + self.repeated + self.under_way
        return max(0.0, self.present - busy)


@dataclass
class Ledger:
    """What the lines say; read again, it goes on where it was.

    Parameters
    ----------
    folder : Path
        Of the study.
    """

    folder: Path
    by_host: dict[str, Share] = field(default_factory=dict)
    by_potential: dict[str, Share] = field(default_factory=dict)
    asked: int = 0
    _gone: Hours = field(default_factory=Hours)
    _here: dict[int, _Worker] = field(default_factory=dict)
    _cards: dict[tuple[str, ...], _Card] = field(default_factory=dict)
    _ended: list[datetime] = field(default_factory=list)
    _began: datetime | None = None
    _last: datetime | None = None
    _read: int = 0

    def read(self) -> Ledger:
        """Take account of lines that are new; one that is not written whole waits, or is left out."""
        try:
            with (self.folder / FOLDER / WORK_FILE).open("rb") as file:
                file.seek(self._read)
                content = file.read()
        except OSError:
            return self
        whole = content[: content.rfind(b"\n") + 1]
        self._read += len(whole)
        for line in whole.splitlines():
            try:
                self._take(json.loads(line))
            except (ValueError, KeyError, TypeError):
                continue
        return self

    @property
    def workers(self) -> int:
        """How many are there, if the run goes on."""
        return len(self._here)

    def goes_on(self, since: datetime) -> bool:
        """Whether the last run that they tell of is one that has begun at that time, or after it."""
        return self._began is not None and self._began >= since

    @property
    def cells(self) -> int:
        """How many were finished."""
        return len(self._ended)

    def hours(self, now: datetime | None = None) -> Hours:
        """Where time went until now; until the last line where no time is given, for nothing runs."""
        until = now or self._last
        spent = Hours(**vars(self._gone))
        if until is not None:
            for worker in self._here.values():
                _spend(spent, worker, until)
                if now is not None and worker.busy is not None:
                    spent.under_way += _hours(worker.busy, until)
            for card in self._cards.values():
                spent.accelerators += _hours(card.since, until)
        return spent

    def rate(self, now: datetime | None = None) -> float | None:
        """Cells a second in the last ten minutes of the run, or since it began; None where it did not."""
        until, began = now or self._last, self._began
        if until is None or began is None:
            return None
        seconds = min(_RECENT, (until - began).total_seconds())
        recent = sum((until - ended).total_seconds() <= seconds for ended in self._ended)
        return recent / seconds if seconds > 0 else None

    def left(self, pending: Mapping[str, int]) -> float | None:
        """Hours of workers that so many cells of each potential take; None where none is finished."""
        known = {label: one.hours / one.cells for label, one in self.by_potential.items() if one.cells}
        if not known:
            return None
        others = fmean(known.values())
        return sum(n * known.get(label, others) for label, n in pending.items())

    def _take(self, said: Mapping[str, Any]) -> None:
        if "run" in said:
            self._all_left()
            self.asked, self._began = sum(said["run"].values()), _time(said["at"])
            self._last = self._began
        elif "came" in said:
            self._last = _time(said["came"])
            self._has_come(said, self._last)
        elif "left" in said:
            self._last = _time(said["left"])
            self._has_left(said["worker"], self._last)
        elif "idle" in said:
            self._last = _time(said["at"])
            self._here[said["worker"]].busy = None if said["idle"] else self._last
        elif "repeated" in said:
            self._has_ended(said)
            self._gone.repeated += float(said["repeated"]) / 3600
        else:
            self._take_work(said, "seconds" if "seconds" in said else "part")

    def _has_come(self, said: Mapping[str, Any], at: datetime) -> None:
        """One has come; cards of two jobs may be called the same, and are not the same."""
        card = None
        if said["accelerator"]:
            card = said["pool"], said["job"], said["host"], said["accelerator"]
            self._cards.setdefault(card, _Card(at)).workers.add(said["worker"])
        self._here[said["worker"]] = _Worker(at, said["cores"], card, at)

    def _has_left(self, number: int, at: datetime) -> None:
        worker = self._here.pop(number, None)
        if worker is None:
            return
        _spend(self._gone, worker, at)
        if worker.card is not None:
            card = self._cards[worker.card]
            card.workers.discard(number)
            if not card.workers:
                del self._cards[worker.card]
                self._gone.accelerators += _hours(card.since, at)

    def _has_ended(self, said: Mapping[str, Any]) -> datetime:
        """One has ended something, and goes on to what is next."""
        self._last = _time(said["ended"])
        worker = self._here.get(said.get("worker", -1))
        if worker is not None:
            worker.busy = self._last
        return self._last

    def _take_work(self, said: Mapping[str, Any], name: str) -> None:
        """What went into a cell: all that finished it, or a part."""
        host, seconds, ended = str(said["host"]), float(said[name]), str(said["ended"])
        at, finished = self._has_ended(said), name == "seconds"
        if finished:
            self._ended.append(at)
        self.by_host.setdefault(host, Share(host)).add(seconds, ended, finished=finished)
        if (label := said.get("potential")) is not None:
            self.by_potential.setdefault(label, Share(label)).add(seconds, ended, finished=finished)
        loading = float(said.get("loading", 0.0))
        self._gone.computing += (seconds - loading) / 3600
        self._gone.loading += loading / 3600
        if "worker" not in said:  # an earlier version, which did not say how long workers were there
            hours = seconds / 3600
            _add(self._gone, hours, 1)
            self._gone.accelerators += hours * bool(said.get("accelerator"))

    def _all_left(self) -> None:
        """Those of a run that was killed were there until the last that is known of it."""
        for number in list(self._here):
            if self._last is not None:
                self._has_left(number, self._last)


def _spend(spent: Hours, worker: _Worker, until: datetime) -> None:
    _add(spent, _hours(worker.since, until), worker.cores)


def _hours(since: datetime, until: datetime) -> float:
    return max(0.0, (until - since).total_seconds() / 3600)


def _add(spent: Hours, hours: float, cores: int) -> None:
    spent.present += hours
    spent.cores += hours * cores


def _time(said: str) -> datetime:
    found = datetime.fromisoformat(said)
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def most_first(shares: Mapping[str, Share]) -> list[Share]:
    """Those that took most first."""
    return sorted(shares.values(), key=lambda one: -one.hours)
