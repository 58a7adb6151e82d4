"""When a cluster is given up: where its jobs end without a worker, and not for the file system's sake."""

from __future__ import annotations

import logging
import time
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

log = logging.getLogger(__name__)

_IN_VAIN = 3  # jobs, one after the other, that end without a worker: the next would, too
_RECOVERS = 1800.0  # s in which a file system is expected to
_PROBE = 1 << 16  # bytes that are written to see whether they can be


class Patience:
    """What Parsl asks of each executor whenever it has looked at its jobs.

    It says which jobs ended without a worker, and gives up where the last ones did; jobs that are killed
    later are made up for. As long as nothing can be written, no job can start, and those that did not are no
    reason.

    Parameters
    ----------
    folder : Path
        Where scripts of jobs and their output are written.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._since: float | None = None  # since when nothing can be written
        self._excused: dict[str, int] = {}  # the last job of each executor that is no reason
        self._told: defaultdict[str, set[str]] = defaultdict(set)  # jobs of each that have been told of

    def __call__(self, executor: Any, status: Mapping[str, Any]) -> None:
        """Fail all tasks of an executor where more jobs are in vain."""
        from parsl.jobs.states import JobState

        if not status or executor.bad_state_is_set:
            return
        if self._writable():
            self._since = None
        else:
            self._since = self._since or time.monotonic()
            if time.monotonic() < self._since + _RECOVERS:
                self._excused[executor.label] = max(map(int, status))
        first = self._excused.get(executor.label, -1) + 1
        last = [block for block in sorted(status, key=int) if int(block) >= first][-_IN_VAIN:]
        in_vain = {
            block: one
            for block in last
            if (one := status[block]).state == JobState.MISSING
            or (one.state == JobState.FAILED and (one.message or "").startswith("Failed to start block"))
        }
        if len(in_vain) == _IN_VAIN:
            executor.set_bad_state_and_fail_all(RuntimeError(_said(in_vain[last[-1]])))
            return
        for block, one in in_vain.items():
            if block not in self._told[executor.label]:
                self._told[executor.label].add(block)
                job = executor.blocks_to_job_id.get(block, block)
                log.warning("job %s ended before a worker reported: %s", job, _said(one))

    def _writable(self) -> bool:
        probe = self._folder / "probe"
        try:
            probe.write_bytes(bytes(_PROBE))
            probe.unlink()
        except OSError:
            return False
        return True


def _said(one: Any) -> str:
    """What a job that was in vain said last."""
    said = (one.stderr_summary or "").strip().splitlines()
    return said[-1] if said else one.message or f"jobs end at once ({one.state.name.lower()})"
