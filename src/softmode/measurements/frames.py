"""On how many configurations a potential is evaluated: all, every so-manieth, or as many as it takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from softmode.anharmonic.classes import EDGES
from softmode.crystal.arrays import IntArray
from softmode.statistics.sequential import StopRule

#: Certainty of the class where nothing else is said.
CERTAINTY = 0.95

#: About how many configurations it usually takes; for forecasts.
USUAL = 32

#: What a reason to stop is called, for pages and tables.
REASONS: dict[str, str] = {
    "class": "the class is certain",
    "interval": "the interval is narrow enough",
    "exhausted": "the other frames of the trajectory would add next to nothing",
    "all": "there are no more",
    "every": "one in so many",
}


def _parsed(value: Any) -> Any:
    """What is said in a word, or as options of commands say it: ``every=5``."""
    if not isinstance(value, str):
        return value
    if value in ("all", "adaptive"):
        return {} if value == "all" else {"certainty": CERTAINTY}
    pairs = [part.partition("=") for part in value.split(",")]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError(f"{value!r} is none of 'all', 'adaptive', every=5, certainty=0.99, interval=0.02")
    return {name.strip(): number.strip() for name, _, number in pairs}


class Until(BaseModel):
    """When enough have been evaluated; not given: all. ``"adaptive"``: when the class is 95 % certain.

    Attributes
    ----------
    certainty : float, optional
        Evaluate until the class is right with this probability.
    interval : float, optional
        Evaluate until ⟨σ(t)⟩ is known to plus or minus this, at 95 %; of the two what is reached first.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    certainty: float | None = Field(default=None, gt=0.5, lt=1)
    interval: float | None = Field(default=None, gt=0)

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        return _parsed(value)

    @property
    def adaptive(self) -> bool:
        """Whether anything is asked for."""
        return self.certainty is not None or self.interval is not None

    @property
    def rule(self) -> StopRule:
        """The same for the statistics."""
        return StopRule(self.certainty, self.interval, EDGES)


class Frames(Until):
    """Frames of the reference trajectory that a potential is evaluated on.

    ``"all"``, ``{every = 5}``, ``"adaptive"``, or what is asked for of the latter.

    Attributes
    ----------
    every : int
        Each so-manieth frame of every run.
    """

    every: int = Field(default=1, ge=1)

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.every > 1 and self.adaptive:
            raise ValueError("every leaves nothing to decide: give it, or certainty and interval")
        return self

    @property
    def all(self) -> bool:
        """Whether no frame is left out."""
        return self.every == 1 and not self.adaptive


def one_in(runs: Sequence[int], every: int) -> tuple[NDArray[np.bool_], tuple[int, ...]]:
    """Which frames are one in so many of each run, and how many that leaves of each."""
    kept = np.concatenate([np.arange(run) % every == 0 for run in runs])
    return kept, tuple(-(-run // every) for run in runs)


def lengths_of(frames: IntArray, run_lengths: Sequence[int]) -> tuple[int, ...]:
    """How many of the frames are of each run that any are of."""
    counts = np.histogram(frames, bins=np.cumsum([0, *run_lengths]))[0]
    return tuple(int(count) for count in counts if count)


def without_until(settings: BaseModel) -> dict[str, Any]:
    """Settings of samples as they stand in keys: a fixed number has nothing that says when to stop."""
    until: Until = settings.until  # type: ignore[attr-defined]
    return settings.model_dump(mode="json", exclude=None if until.adaptive else {"until"})
