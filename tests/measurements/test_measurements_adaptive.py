"""Potentials on as many frames or samples as it takes: which, how many, why no more, and going on later."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from moving_metals import MOVING, Motion, phonopy_hessian, write_moving_metal
from pydantic import ValidationError
from softmode_test_factories import interrupted_emt

from softmode.anharmonic.classes import classify
from softmode.crystal import Material, Trajectory
from softmode.datasets import open_dataset
from softmode.measurements import evaluation, pieces
from softmode.measurements.conditions import Conditions, explain
from softmode.measurements.frames import Frames
from softmode.measurements.measure import measure
from softmode.potentials.resolution import resolve
from softmode.potentials.settings import PotentialSettings
from softmode.records import Record, RecordStore
from softmode.statistics.sequential import covering_order, looks

N_FRAMES = 60
SEED = 7


@pytest.fixture(scope="module")
def moving_al(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Motion]:
    folder = tmp_path_factory.mktemp("moving") / "Al"
    return folder, write_moving_metal(folder, "Al", n_frames=N_FRAMES)


@cache
def read(folder: Path) -> tuple[Material, Trajectory | None]:
    [entry] = open_dataset("phonopy", folder, **MOVING).entries()
    return entry.load(), entry.load_trajectory()


def measured(
    folder: Path, store: Path | None, log: Path, frames: Any = "adaptive", name: str = "sigma", **tables: Any
) -> dict[str, Record]:
    """σ with EMT, which notes what it is asked for."""
    material, trajectory = read(folder)
    potential = resolve(
        PotentialSettings(name="softmode_test_factories:logging_emt", kwargs={"log": str(log)})
    )
    conditions = Conditions.create({"seed": SEED, "sigma": {"frames": frames}, **tables})
    kept = None if store is None else RecordStore(store)
    trajectory = trajectory if name == "sigma" else None
    return measure(name, material, potential, conditions, kept, trajectory=trajectory)


def evaluated(log: Path) -> Counter[str]:
    return Counter(log.read_text().split()) if log.exists() else Counter()


def test_a_clear_class_takes_the_first_frames_of_the_order_and_no_more(
    moving_al: tuple[Path, Motion], tmp_path: Path
) -> None:
    folder, motion = moving_al
    records = measured(folder, None, tmp_path / "log")
    forces, sigma = records["trajectory_forces"], records["sigma"]
    expected = np.sort(covering_order(N_FRAMES, SEED)[: looks(N_FRAMES)[0]])
    assert forces.arrays["frames"].tolist() == expected.tolist()
    assert forces.calls == len(expected) == forces.values["n_frames"] == 12
    np.testing.assert_allclose(forces.arrays["forces"], motion.forces[expected], atol=1e-8)
    truth = motion.sigma_t(phonopy_hessian(folder))
    for approach in ("phi_ref", "phi_model"):
        series = sigma.arrays[f"sigma_t_{approach}"]
        assert np.flatnonzero(np.isfinite(series)).tolist() == expected.tolist()
        np.testing.assert_allclose(series[expected], truth[expected], atol=1e-6)
        own = {key.removeprefix(f"sigma_{approach}_"): value for key, value in sigma.values.items()}
        assert own["mean_t_low"] < truth.mean() < own["mean_t_high"]
        assert own["class"] == classify(truth.mean())
        assert own[f"p_{own['class']}"] > 0.95
        [[mean, low, high]] = sigma.arrays[f"looks_{approach}"]
        assert (mean, low, high) == tuple(own[name] for name in ("mean_t", "mean_t_low", "mean_t_high"))
    assert sigma.arrays["looks"].tolist() == [12]
    assert sigma.values["sigma_stopped"] == "class"
    assert re.fullmatch(
        rf"12 of {N_FRAMES} frames: the class is certain; ⟨σ\(t\)⟩ to ± 0\.\d+",
        sigma.values["sigma_extent_note"],
    )
    # the reference has its forces on all frames, and says so
    np.testing.assert_allclose(sigma.arrays["sigma_t_reference"], truth, atol=1e-6)


def test_shares_of_the_error_add_up_on_the_frames_evaluated(tmp_path: Path) -> None:
    folder = tmp_path / "Al"
    motion = write_moving_metal(folder, "Al", force=0.9, n_frames=N_FRAMES)
    values = measured(folder, None, tmp_path / "log")["sigma"].values
    expected = np.sort(covering_order(N_FRAMES, SEED)[: values["sigma_n_evaluated"]])
    on_these = motion.sigma_t(phonopy_hessian(folder))[expected].mean()
    difference = values["sigma_phi_model_mean_t"] - on_these
    assert values["sigma_force_error"] + values["sigma_hessian_error"] == pytest.approx(difference, abs=1e-6)
    assert abs(values["sigma_reference_mean_t"] - on_these) > 1e-5  # which is that of all frames


def test_more_can_be_asked_for_later_and_only_that_is_evaluated(
    moving_al: tuple[Path, Motion], tmp_path: Path
) -> None:
    folder, _ = moving_al
    first = measured(folder, tmp_path / "store", tmp_path / "log")
    low, high = (first["sigma"].values[f"sigma_phi_model_mean_t_{side}"] for side in ("low", "high"))
    before = evaluated(tmp_path / "log").total()
    asked = {"interval": 0.22 * (high - low)}
    more = measured(folder, tmp_path / "store", tmp_path / "log", asked)
    n = more["sigma"].values["sigma_n_evaluated"]
    assert 12 < n < N_FRAMES
    assert more["sigma"].values["sigma_stopped"] == "interval"
    for approach in ("phi_ref", "phi_model"):
        width = [more["sigma"].values[f"sigma_{approach}_mean_t_{side}"] for side in ("low", "high")]
        assert width[1] - width[0] <= 2 * asked["interval"]
    assert evaluated(tmp_path / "log").total() - before == n - 12
    assert more["trajectory_forces"].calls == n  # as if there had been nothing before
    # the same as when it is asked for at once, and again nothing to do
    at_once = measured(folder, None, tmp_path / "other", asked)
    np.testing.assert_equal(more["sigma"].values, at_once["sigma"].values)
    np.testing.assert_equal(dict(more["sigma"].arrays), dict(at_once["sigma"].arrays))
    total = evaluated(tmp_path / "log").total()
    assert measured(folder, tmp_path / "store", tmp_path / "log", asked)["sigma"].key == more["sigma"].key
    assert evaluated(tmp_path / "log").total() == total


def test_what_cannot_be_reached_ends_with_all_frames_and_their_figures(
    tmp_path: Path,
) -> None:
    folder, n = tmp_path / "Al", 23
    write_moving_metal(folder, "Al", n_frames=n)
    records = measured(folder, None, tmp_path / "log", {"interval": 1e-6})
    whole = measured(folder, None, tmp_path / "log", "all")
    note = records["sigma"].values["sigma_extent_note"]
    assert note.startswith(f"{n} of {n} frames: there are no more; ⟨σ(t)⟩ to ± 0.0")  # what was reached
    more = {"sigma_n_evaluated", "sigma_stopped", "sigma_extent_note"}
    values = {name: value for name, value in records["sigma"].values.items() if name not in more}
    np.testing.assert_equal(values, dict(whole["sigma"].values))
    arrays = {name: one for name, one in records["sigma"].arrays.items() if not name.startswith("looks")}
    np.testing.assert_equal(arrays, dict(whole["sigma"].arrays))
    assert more.isdisjoint(whole["sigma"].values)
    assert "frames" not in whole["trajectory_forces"].arrays


@pytest.mark.parametrize("after", [1, 16])
def test_interrupted_anywhere_it_goes_on_to_the_same(
    moving_al: tuple[Path, Motion], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    folder, _ = moving_al
    asked = {"interval": 0.004}
    undisturbed = measured(folder, None, tmp_path / "other", asked)
    factory = interrupted_emt(after)
    monkeypatch.setattr(pieces, "_SAVE_EVERY", 0.0)
    with monkeypatch.context() as patch:
        patch.setattr("softmode.potentials.calculator.find_factory", lambda *_: factory)
        with pytest.raises(KeyboardInterrupt):
            measured(folder, tmp_path / "store", tmp_path / "log", asked)
    resumed = measured(folder, tmp_path / "store", tmp_path / "log", asked)
    assert resumed["sigma"].values["sigma_n_evaluated"] > 16
    assert resumed["trajectory_forces"].calls == undisturbed["trajectory_forces"].calls
    np.testing.assert_equal(dict(resumed["sigma"].values), dict(undisturbed["sigma"].values))
    np.testing.assert_equal(dict(resumed["sigma"].arrays), dict(undisturbed["sigma"].arrays))


def test_the_size_of_batches_changes_nothing(
    moving_al: tuple[Path, Motion], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, _ = moving_al
    usual = measured(folder, None, tmp_path / "log")
    monkeypatch.setattr(evaluation, "_BATCH", 5)
    other = measured(folder, None, tmp_path / "log")
    np.testing.assert_equal(dict(usual["sigma"].arrays), dict(other["sigma"].arrays))


def test_one_in_so_many_frames(moving_al: tuple[Path, Motion], tmp_path: Path) -> None:
    folder, motion = moving_al
    records = measured(folder, None, tmp_path / "log", {"every": 7})
    expected = np.arange(0, N_FRAMES, 7)
    assert records["trajectory_forces"].arrays["frames"].tolist() == expected.tolist()
    truth = motion.sigma_t(phonopy_hessian(folder))[expected].mean()
    values = records["sigma"].values
    assert values["sigma_phi_model_mean_t"] == pytest.approx(truth, abs=1e-6)
    expected_note = f"9 of {N_FRAMES} frames: one in so many; no interval: too few independent frames"
    assert values["sigma_extent_note"] == expected_note
    # nine frames carry no interval and no probability, and it is said why
    assert values["sigma_phi_model_mean_t_low"] is values["sigma_phi_model_p_weak"] is None


def test_all_frames_have_the_key_that_they_always_had(moving_al: tuple[Path, Motion], tmp_path: Path) -> None:
    folder, _ = moving_al
    inputs = measured(folder, None, tmp_path / "log", "all")["trajectory_forces"].inputs
    assert set(inputs) == {
        "measurement",
        "version",
        "threads",
        "structure",
        "trajectory",
        "potential",
        "requires",
    }
    assert inputs["requires"] == {}


def test_samples_until_the_class_is_certain_and_on_from_there(
    moving_al: tuple[Path, Motion], tmp_path: Path
) -> None:
    folder, _ = moving_al

    def sampled(**settings: Any) -> Record:
        store, log = tmp_path / "store", tmp_path / "log"
        return measured(folder, store, log, "all", "one_shot", one_shot=settings)["one_shot"]

    fixed = sampled(n_samples=24)
    before = evaluated(tmp_path / "log").total()
    adaptive = sampled(n_samples=100, until="adaptive")
    assert adaptive.values["one_shot_extent_note"] == "12 samples: the class is certain"
    assert evaluated(tmp_path / "log").total() - before == 12
    np.testing.assert_array_equal(adaptive.arrays["sigma_t_one_shot"], fixed.arrays["sigma_t_one_shot"][:12])
    assert adaptive.values["sigma_one_shot_p_weak"] > 0.95
    before = evaluated(tmp_path / "log").total()
    short = sampled(n_samples=24, until={"interval": 1e-4})
    assert evaluated(tmp_path / "log").total() - before == 12
    assert "is not reached" in short.values["one_shot_extent_note"]
    np.testing.assert_array_equal(short.arrays["sigma_t_one_shot"], fixed.arrays["sigma_t_one_shot"])
    assert short.values["sigma_one_shot_mean_t_low"] < fixed.values["sigma_one_shot_mean_t_low"]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("all", Frames()),
        ("adaptive", Frames(certainty=0.95)),
        ("every=5", Frames(every=5)),
        ("interval = 0.02, certainty = 0.99", Frames(certainty=0.99, interval=0.02)),
        ({"interval": 0.02}, Frames(interval=0.02)),
    ],
)
def test_frames_in_words_and_tables(given: Any, expected: Frames) -> None:
    assert Frames.model_validate(given) == expected
    content = Conditions.create({"sigma": {"frames": given}}).content()
    assert Conditions.create(content).content() == content


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("adaptiv", "'adaptiv' is none of"),
        ("every=0", "greater than or equal to 1"),
        ({"certainty": 1.0}, "less than 1"),
        ({"interval": -1}, "greater than 0"),
        ({"every": 2, "certainty": 0.9}, "leaves nothing to decide"),
        ({"often": 2}, "unknown key"),
    ],
)
def test_frames_that_cannot_be_are_refused_in_one_line(given: Any, said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Conditions.create({"sigma": {"frames": given}})
    assert said in explain(caught.value)


def test_a_pair_of_samples_has_nothing_to_stop_at() -> None:
    with pytest.raises(ValidationError, match="until needs method"):
        Conditions.create({"one_shot": {"method": "sign-alternating", "until": "adaptive"}})
