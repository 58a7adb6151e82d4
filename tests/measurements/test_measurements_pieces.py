"""Several processes share the frames of a measurement: each is evaluated once, the result that of one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from softmode.deadlines import PausedError
from softmode.measurements import pieces
from softmode.measurements.pieces import Batch, Help, HelpEndedError, Pieces
from softmode.records import Partial

SIZES = dict.fromkeys(range(0, 72, 8), 8) | {72: 3}


def batch_of(start: int) -> Batch:
    """What whoever evaluates a batch gets."""
    n = SIZES[start]
    return {
        "forces": np.full((n, 2, 3), 0.1 * start),
        "energies": np.arange(start, start + n) / 7.0,
        "seconds": np.array(n / 4),
    }


class Worker:
    """An owner or a helper, which makes a step when it is told to."""

    def __init__(self, partial: Partial, help: Help | None = None, kernel: str = "Haswell") -> None:
        libraries = [{"library": "openblas", "version": "0.3", "kernel": kernel}]
        self.pieces = Pieces(partial, help, {"blas": libraries})
        self._turns: Iterator[int] = self.pieces.turns(SIZES)
        self.done: list[int] = []
        self._begun: int | None = None

    def begin(self) -> int | None:
        """Begin with a batch; None where there is none left."""
        self._begun = next(self._turns, None)
        return self._begun

    def finish(self) -> None:
        assert self._begun is not None
        self.pieces.add(self._begun, batch_of(self._begun))
        self.done.append(self._begun)

    def step(self) -> bool:
        if self.begin() is None:
            return False
        self.finish()
        return True

    def result(self) -> list[Batch]:
        return [self.pieces.batch(start) for start in SIZES]


@pytest.fixture
def partial(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Partial:
    """A place for pieces, of which all are saved, and looked for, at once."""
    for pause in ("_SAVE_EVERY", "_SAVE_SHARED_EVERY", "_LOOK_EVERY"):
        monkeypatch.setattr(pieces, pause, 0.0)
    return Partial(tmp_path / "x.partial")


def helper(partial: Partial, number: int = 0, kernel: str = "Haswell") -> Worker:
    return Worker(partial, Help(number, lambda: False, partial.clear), kernel)


def whole(owner: Worker) -> None:
    """The owner has what it would have had alone."""
    while owner.step():
        pass
    np.testing.assert_equal(owner.result(), [batch_of(start) for start in SIZES])


def test_owner_and_helpers_meet(partial: Partial) -> None:
    owner = Worker(partial)
    assert owner.step()
    helpers = [helper(partial, number) for number in range(2)]
    for _ in range(2):
        assert owner.step()
        assert all(one.step() for one in helpers)
    assert [one.done for one in (owner, *helpers)] == [[0, 8, 16], [72, 56], [64, 48]]
    assert owner.step()
    assert all(one.step() for one in helpers)
    with pytest.raises(HelpEndedError) as ended:
        helpers[0].begin()
    assert ended.value.batches == 3
    whole(owner)
    assert owner.done == [0, 8, 16, 24]  # nothing twice
    n = sum(SIZES.values()) - 4 * 8
    assert owner.pieces.elsewhere(SIZES) == (n, n / 4)


def test_what_an_earlier_process_has_made_counts_once(partial: Partial) -> None:
    first = Worker(partial)
    assert first.step()
    assert first.step()
    again = Worker(partial)
    whole(again)
    assert again.pieces.elsewhere(SIZES) == (16, 4.0)
    assert Worker(partial).pieces.elsewhere(SIZES) == (sum(SIZES.values()), sum(SIZES.values()) / 4)


def test_other_arithmetic_does_not_help(partial: Partial) -> None:
    """What such a helper evaluates before the other begins is not used; then it ends."""
    other = helper(partial, kernel="Zen")
    assert other.step()
    owner, same = Worker(partial), helper(partial, 1)
    with pytest.raises(HelpEndedError):
        other.begin()
    assert same.step()
    whole(owner)
    assert (owner.done, same.done) == (list(range(0, 72, 8)), [72])


def test_marks_that_are_removed_meanwhile_are_made_again(
    partial: Partial, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, opened, make = helper(partial), [0], os.open

    def removing(path: Any, flags: int, **more: Any) -> int:
        if flags & os.O_CREAT and not opened[0]:
            opened[0] = 1
            shutil.rmtree(partial.folder / "begun")  # as whoever makes it does when it begins
        return make(path, flags, **more)

    monkeypatch.setattr(os, "open", removing)
    assert one.begin() == 72


def test_what_a_lost_helper_had_begun_is_done_by_the_owner(partial: Partial) -> None:
    owner = Worker(partial)
    one = helper(partial)
    assert one.step()
    assert one.begin() == 64  # and it is gone
    whole(owner)
    assert owner.done == [*range(0, 64, 8), 64]


def test_what_a_helper_is_about_is_done_once_more_at_most(partial: Partial) -> None:
    owner, one = Worker(partial), helper(partial)
    assert [one.begin(), one.finish(), one.begin()] == [72, None, 64]
    for _ in range(8):
        assert owner.step()
    one.finish()  # in time
    whole(owner)
    assert owner.done == list(range(0, 64, 8))


def test_a_helper_goes_on_for_an_owner_that_is_lost_and_both_for_the_next(partial: Partial) -> None:
    first, one = Worker(partial), helper(partial)
    assert first.step()
    assert first.begin() == 8  # and it is gone
    assert one.step()
    second = Worker(partial)
    assert one.step()
    whole(second)
    assert second.done == list(range(8, 64, 8))
    with pytest.raises(HelpEndedError):
        one.begin()


def test_batches_of_an_earlier_helper_are_found_again(partial: Partial) -> None:
    one = helper(partial)
    assert one.step()
    again = helper(partial)
    assert again.begin() == 64
    again.finish()
    owner = Worker(partial)
    whole(owner)
    assert owner.done == list(range(0, 64, 8))


def test_a_helper_ends_where_the_record_is_there_and_leaves_nothing(partial: Partial) -> None:
    there: list[bool] = []
    one = Worker(partial, Help(0, lambda: bool(there), partial.clear))
    assert one.begin() == 72
    there.append(True)
    one.finish()
    assert not partial.folder.exists()
    with pytest.raises(HelpEndedError) as ended:
        one.begin()
    assert ended.value.batches == 1
    assert not partial.folder.exists()


def test_a_helper_that_has_evaluated_nothing_leaves_nothing(partial: Partial) -> None:
    there: list[bool] = []
    one = Worker(partial, Help(0, lambda: bool(there), partial.clear))
    assert one.begin() == 72  # it fails on this one
    there.append(True)
    with pytest.raises(HelpEndedError):
        one.begin()
    assert not partial.folder.exists()


def test_whoever_is_asked_to_pause_stops_after_a_piece(
    partial: Partial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pieces, "_SAVE_EVERY", 1e9)
    asked = bytearray(9)
    monkeypatch.setattr("softmode.deadlines._own", asked)
    owner = Worker(partial)
    assert owner.step()
    asked[8] = True
    assert owner.begin() == 8
    with pytest.raises(PausedError):
        owner.finish()
    asked[8] = False
    again = Worker(partial)
    whole(again)
    assert again.done == list(SIZES)[2:]
