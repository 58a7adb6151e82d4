"""Who has computed what of a study on a cluster: a line for each cell as it is finished, added up by host."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from softmode.cluster.messages import Place
from softmode.study.folder import Case
from softmode.study.worker import CaseOutcome

FOLDER = "cluster"
WORK_FILE = "work.jsonl"


class WorkLog:
    """Writes the lines.

    Parameters
    ----------
    folder : Path
        Of the study.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / FOLDER / WORK_FILE

    def __enter__(self) -> WorkLog:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self._path.open("a", encoding="utf-8", buffering=1)
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()

    def note(self, case: Case, outcome: CaseOutcome, place: Place | None) -> None:
        """Write a line."""
        said: dict[str, Any] = {
            "material": case.material.name,
            "potential": case.label,
            "seconds": round(outcome.seconds, 3),
            "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        if place is not None:
            said |= {
                "host": place.host,
                "pool": place.pool,
                "job": place.block,
                "accelerator": place.accelerator,
            }
        self._file.write(json.dumps(said) + "\n")


@dataclass
class HostWork:
    """What was computed on a host.

    Attributes
    ----------
    host : str
        Its name.
    cells : int
        How many were finished there.
    hours : float
        That they took, of all its workers together.
    last : str
        When the last was, UTC, ISO 8601.
    """

    host: str
    cells: int = 0
    hours: float = 0.0
    last: str = ""


def work_by_host(folder: Path) -> list[HostWork]:
    """What was computed where, those that did most first; a line that was not written whole is left out."""
    found: dict[str, HostWork] = {}
    try:
        lines = (folder / FOLDER / WORK_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return []
    for line in lines:
        try:
            said = json.loads(line)
            host, seconds, ended = str(said["host"]), float(said["seconds"]), str(said["ended"])
        except (ValueError, KeyError, TypeError):
            continue
        one = found.setdefault(host, HostWork(host))
        one.cells += 1
        one.hours += seconds / 3600
        one.last = max(one.last, ended)
    return sorted(found.values(), key=lambda one: -one.hours)
