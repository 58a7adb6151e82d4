"""The kernel matrix: its definition, its invariances, its blocks, its errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from pydantic import ValidationError
from scipy.spatial.transform import Rotation
from wandering_crystal import wandering_crystal

from softmode.configurations import (
    ArrayFeatures,
    FrameKernel,
    KernelSettings,
    SoapFeatures,
    SoapSettings,
    definiteness,
    exact_dissimilarities,
    fast_mode_error,
    frame_kernel,
    place_tile,
    plan_tiles,
    soap_features,
)
from softmode.configurations.kernel import CostModel, check_memory
from softmode.crystal import Trajectory
from softmode.errors import InputDataError

FloatArray = NDArray[np.float64]
SHORT = SoapSettings(r_cut=3.5, n_max=3, l_max=2, sigma=0.4)
EXACT = KernelSettings(mode="exact")


def dissimilarities(*trajectories: Trajectory, alpha: float = 1.0) -> FloatArray:
    features = SoapFeatures(trajectories, SHORT)
    kernel = frame_kernel(features, KernelSettings(mode="exact", alpha=alpha))
    return kernel.matrix().dissimilarities


def moved(trajectory: Trajectory, positions: FloatArray, lattice: FloatArray | None = None) -> Trajectory:
    return replace(
        trajectory,
        positions=positions,
        forces=np.zeros_like(positions),
        run_lengths=(len(positions),),
        lattice=trajectory.lattice if lattice is None else lattice,
    )


def test_soap_vectors_are_units_of_sorted_atoms() -> None:
    trajectory = wandering_crystal(3, 0)
    vectors = soap_features(trajectory, SHORT)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=-1), 1.0, atol=1e-14)
    source = SoapFeatures((trajectory,), SHORT)
    assert source.numbers.tolist() == [11] * 4 + [17] * 4
    assert vectors.shape == (3, 8, source.n_features)
    same = vectors[0] @ vectors[1].T
    assert same[:4, :4].min() > same[:4, 4:].max(), "environments of one element resemble each other most"


def test_frames_of_several_trajectories_are_counted_through() -> None:
    one, two = wandering_crystal(3, 0), wandering_crystal(2, 1)
    source = SoapFeatures((one, two), SHORT)
    np.testing.assert_array_equal(source([4]), soap_features(two, SHORT)[[1]])
    np.testing.assert_array_equal(source(range(3)), soap_features(one, SHORT))
    with pytest.raises(IndexError):
        source([5])
    single = SoapFeatures((one, two), SHORT.model_copy(update={"dtype": "float32"}))
    assert single([0]).dtype == np.float32


@given(seed=st.integers(0, 10**6), alpha=st.sampled_from([1.0, 0.1, 0.01]))
@settings(max_examples=12, deadline=None)
def test_invariances(seed: int, alpha: float) -> None:
    """Exchange of atoms, rotation, translation and wrapping of one of two frames leave K as it is.

    By chance two frames may hardly differ, hence the absolute tolerance; that frames do differ in general is
    seen in :func:`test_frames_differ_by_more_than_what_must_not_matter`.
    """
    trajectory = wandering_crystal(2, seed)
    rng = np.random.default_rng(seed)
    one, other = (moved(trajectory, trajectory.positions[[k]]) for k in range(2))
    order = rng.permutation(8)
    turn = Rotation.random(random_state=seed).as_matrix()
    positions = other.positions[:, order] + rng.uniform(-5, 5, 3)
    scaled = positions @ np.linalg.inv(other.lattice)
    wrapped = (scaled % 1.0) @ other.lattice
    changed = replace(moved(other, wrapped @ turn, other.lattice @ turn), numbers=other.numbers[order])
    plain, after = dissimilarities(one, other, alpha=alpha), dissimilarities(one, changed, alpha=alpha)
    np.testing.assert_allclose(after, plain, rtol=1e-4, atol=1e-11)
    np.testing.assert_allclose(dissimilarities(other, changed, alpha=alpha), 0.0, atol=1e-11)


@pytest.mark.parametrize("alpha", [1.0, 0.1, 0.01])
def test_frames_differ_by_more_than_what_must_not_matter(alpha: float) -> None:
    """Among 40 frames drawn once, 1 - K of two is 1e-5 in the middle; invariance is tested to 1e-11."""
    differences = dissimilarities(wandering_crystal(40, 0), alpha=alpha)[np.triu_indices(40, 1)]
    assert np.median(differences) > 1e-6
    assert np.quantile(differences, 0.05) > 1e-8


@given(
    seed=st.integers(0, 10**6),
    alpha=st.sampled_from([10.0, 1.0, 0.1, 0.01]),
    amplitude=st.floats(0.02, 0.4),
    mode=st.sampled_from(["fast", "exact"]),
)
@settings(max_examples=15, deadline=None)
def test_symmetric_one_on_the_diagonal_and_positive(
    seed: int, alpha: float, amplitude: float, mode: str
) -> None:
    features = SoapFeatures((wandering_crystal(12, seed, amplitude=amplitude),), SHORT)
    kernel = frame_kernel(features, KernelSettings.model_validate({"alpha": alpha, "mode": mode}), threads=2)
    result = kernel.matrix()
    np.testing.assert_array_equal(result.values, result.values.T)
    np.testing.assert_array_equal(np.diag(result.values), 1.0)
    exact = exact_dissimilarities(features(range(12)), alpha)
    # So is the matrix itself but for its error, which is looked at below: by chance two frames hardly differ.
    assert exact[~np.eye(12, dtype=bool)].min() > 0.0
    # With strong motion and small α the match itself is not positive definite.
    centring = np.eye(12) - 1.0 / 12
    eigenvalues = np.linalg.eigvalsh(centring @ (1.0 - exact) @ centring)
    negative = -eigenvalues[eigenvalues < 0.0].sum() / np.abs(eigenvalues).sum()
    assert definiteness(result.dissimilarities).negative_share == pytest.approx(negative, abs=1e-3)
    assert negative < (0.02 if alpha < 0.1 and amplitude > 0.1 else 1e-6)
    limit = 1e-2 if mode == "fast" else 1e-5
    assert np.abs(result.dissimilarities - exact).max() < limit * result.spread


def test_negative_eigenvalues_are_reported() -> None:
    """Four points on a cycle whose opposite ones are too far apart for any space."""
    cycle = np.array([[0, 1, 9, 1], [1, 0, 1, 9], [9, 1, 0, 1], [1, 9, 1, 0]]) * 1e-5
    found = definiteness(cycle)
    # Circulant: eigenvalues of the centred kernel are those of -d but for the constant vector.
    assert found.lowest == pytest.approx(-(9 - 2) * 1e-5)
    assert found.negative_share == pytest.approx(7 / 25)


def test_fast_mode_in_frames_at_300_k(perovskite_frames: ArrayFeatures) -> None:
    fast = frame_kernel(perovskite_frames, threads=2)
    error = fast_mode_error(fast, perovskite_frames, n_sample=12, seed=3)
    assert error.n_pairs == 66
    assert error.relative < 0.01
    truth = exact_dissimilarities(perovskite_frames.values)
    result = fast.matrix()
    assert np.abs(result.dissimilarities - truth).max() < 0.01 * np.std(truth[np.triu_indices(15, 1)])
    assert result.spread == pytest.approx(np.std(truth[np.triu_indices(15, 1)]), rel=0.01)
    exact = frame_kernel(perovskite_frames, EXACT)
    assert fast_mode_error(exact, perovskite_frames).relative < 1e-5
    assert exact.frames.rank > fast.frames.rank


def test_errors_of_the_fast_mode_are_found(perovskite_frames: ArrayFeatures) -> None:
    """A projection that loses a fifth must show in the estimate."""
    coarse = frame_kernel(perovskite_frames, KernelSettings(tolerance=0.2))
    assert fast_mode_error(coarse, perovskite_frames).relative > 0.01


def small_kernel(n_frames: int = 11) -> FrameKernel:
    return frame_kernel(SoapFeatures((wandering_crystal(n_frames, 5),), SHORT), EXACT)


@given(n=st.integers(1, 60), width=st.integers(1, 25))
@settings(deadline=None)
def test_tiles_cover_every_pair_once(n: int, width: int) -> None:
    covered = np.zeros((n, n), dtype=int)
    plan = plan_tiles(n, largest=width)
    for tile in plan:
        shape = (tile.rows[1] - tile.rows[0], tile.columns[1] - tile.columns[0])
        assert max(shape) <= width
        block = np.zeros((n, n), dtype=int)
        place_tile(block, tile, np.ones(shape))
        covered += block
    np.testing.assert_array_equal(covered, 1)
    assert sum(tile.n_pairs for tile in plan) == n * (n - 1) // 2
    assert [tile.index for tile in plan] == list(range(len(plan)))


@given(
    seed=st.integers(0, 10**6),
    alpha=st.sampled_from([1.0, 0.1, 0.01, 1e-3]),
    mode=st.sampled_from(["fast", "exact"]),
    width=st.integers(1, 25),
    n_batch=st.integers(1, 9),
)
@settings(max_examples=25, deadline=None)
def test_a_pair_has_the_same_bits_in_any_company(
    seed: int, alpha: float, mode: str, width: int, n_batch: int
) -> None:
    """Neither memory, tiles, batches nor threads change a bit; the smallest α takes the general solver."""
    chosen = KernelSettings.model_validate({"alpha": alpha, "mode": mode, "memory": 0.5})
    features = SoapFeatures((wandering_crystal(17, seed, amplitude=0.15),), SHORT)
    kernel = frame_kernel(features, chosen, threads=2)
    whole = kernel.matrix().dissimilarities
    other = FrameKernel(kernel.frames, chosen.model_copy(update={"memory": 4.0}))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(other.matcher), "batch", n_batch)
        for tile in other.compute(plan_tiles(17, largest=width)):
            rows, columns = tile.tile.rows, tile.tile.columns
            np.testing.assert_array_equal(tile.dissimilarities, whole[slice(*rows), slice(*columns)])
        first, second = np.triu_indices(17, 1)
        some = np.random.default_rng(seed).permutation(len(first))[:29]
        pairs = other.dissimilarity(first[some], second[some])
    np.testing.assert_array_equal(pairs, whole[first[some], second[some]])


def test_goes_on_where_it_stopped() -> None:
    kernel = small_kernel()
    plan = plan_tiles(11, largest=4)
    whole = kernel.matrix().dissimilarities
    kept = np.full((11, 11), np.nan)
    stopped = []
    for result in kernel.compute(plan):
        place_tile(kept, result.tile, result.dissimilarities)
        stopped.append(result.tile.index)
        if len(stopped) == 3:
            break
    counts: list[tuple[int, int]] = []
    rest = list(kernel.compute(plan, done=stopped, progress=lambda *count: counts.append(count)))
    assert {r.tile.index for r in rest} == set(range(len(plan))) - set(stopped)
    for result in rest:
        place_tile(kept, result.tile, result.dissimilarities)
    np.testing.assert_array_equal(kept, whole)
    done = [count for count, _ in counts]
    assert done == sorted(done)
    assert counts[-1] == (55, 55)
    assert counts[0][0] > sum(plan[index].n_pairs for index in stopped) - 1


def test_threads_do_not_change_the_result() -> None:
    features = SoapFeatures((wandering_crystal(20, 2),), SHORT)
    one = frame_kernel(features).matrix().dissimilarities
    two = frame_kernel(features, threads=2).matrix().dissimilarities
    np.testing.assert_array_equal(one, two)


def test_pairs_one_by_one() -> None:
    kernel = small_kernel()
    rows, columns = np.array([3, 0, 3, 7, 3, 3]), np.array([1, 10, 3, 2, 9, 0])
    # The matrix holds each pair once: a pair and its reverse agree but for rounding.
    np.testing.assert_allclose(
        kernel.dissimilarity(rows, columns), kernel.matrix().dissimilarities[rows, columns], atol=1e-13
    )


def test_cost_model() -> None:
    model = CostModel(seconds_per_pair=1e-3, seconds_per_frame=0.1)
    assert model.seconds(100) == pytest.approx(4.95 + 10.0)
    measured = small_kernel().cost(50, seconds_per_frame=2.0)
    assert 0.0 < measured.seconds_per_pair < 1.0
    assert measured.seconds_per_frame == 2.0


def test_more_frames_than_memory_allows() -> None:
    kernel = small_kernel()
    with pytest.raises(InputDataError, match="every n-th frame, at most") as caught:
        FrameKernel(kernel.frames, KernelSettings(memory=1e-6))
    assert "11 frames" in str(caught.value)


@pytest.mark.parametrize("each", [1_000, 100_000])
def test_as_many_frames_as_said_do_fit(each: int) -> None:
    with pytest.raises(InputDataError) as caught:
        check_memory(10**6, each * 10**6, 4.0)
    fitting = int(caught.value.remedy.split("at most ")[1].split(" ")[0])
    check_memory(fitting, each * fitting, 4.0)
    with pytest.raises(InputDataError):
        check_memory(fitting + 2, each * (fitting + 2), 4.0)


def test_the_full_case_of_the_paper_fits_into_four_gibibytes() -> None:
    check_memory(5600, 2 * 5600 * 80 * (128 * 4 + 8), 4.0)


def test_refuses_different_compositions() -> None:
    one = wandering_crystal(2, 0)
    other = replace(one, numbers=np.where(one.numbers == 11, 19, 17), source="KCl")
    with pytest.raises(InputDataError, match="KCl: is of Cl4 K4, but NaCl, seed 0 of Na4 Cl4"):
        SoapFeatures((one, other))


def test_refuses_a_single_frame_and_none() -> None:
    with pytest.raises(InputDataError, match="single frame"):
        SoapFeatures((wandering_crystal(1, 0),))
    with pytest.raises(InputDataError, match="no trajectory"):
        SoapFeatures(())
    vectors = soap_features_of_two()
    with pytest.raises(InputDataError, match="single frame"):
        frame_kernel(ArrayFeatures(vectors[:1], np.repeat([11, 17], 4)))


def soap_features_of_two() -> FloatArray:
    return soap_features(wandering_crystal(2, 0), SHORT)


def test_refuses_what_is_not_finite() -> None:
    vectors = soap_features_of_two()
    vectors[1, 3, 0] = np.nan
    with pytest.raises(InputDataError, match="NaN"):
        ArrayFeatures(vectors, np.repeat([11, 17], 4))


def test_refuses_settings_without_meaning() -> None:
    for wrong in ({"alpha": 0.0}, {"mode": "quick"}, {"memory": -1.0}, {"alpha": float("inf")}):
        with pytest.raises(ValidationError):
            KernelSettings.model_validate(wrong)
    with pytest.raises(ValidationError):
        SoapSettings(r_cut=0.5)


def test_identical_frames_have_no_dissimilarity() -> None:
    trajectory = wandering_crystal(1, 0)
    still = moved(trajectory, np.repeat(trajectory.positions, 5, axis=0))
    for mode in ("fast", "exact"):
        kernel = frame_kernel(SoapFeatures((still,), SHORT), KernelSettings.model_validate({"mode": mode}))
        np.testing.assert_allclose(kernel.matrix().dissimilarities, 0.0, atol=1e-13)


@pytest.mark.parametrize(("mode", "limit"), [("fast", 2e-4), ("exact", 1e-6)])
@pytest.mark.parametrize("alpha", [1.0, 0.1, 0.01])
def test_torch_computes_the_same(
    perovskite_frames: ArrayFeatures, alpha: float, mode: str, limit: float
) -> None:
    settings = KernelSettings.model_validate({"alpha": alpha, "mode": mode})
    kernel = frame_kernel(perovskite_frames, settings)
    expected = kernel.matrix()
    found = FrameKernel(kernel.frames, settings, device="cpu").matrix()
    assert np.abs(found.dissimilarities - expected.dissimilarities).max() < limit * expected.spread
    assert found.n_fallback == 0
    assert found.sweeps == expected.sweeps


def test_torch_leaves_hard_pairs_to_the_general_solver(perovskite_frames: ArrayFeatures) -> None:
    few = ArrayFeatures(perovskite_frames.values[:3], perovskite_frames.numbers)
    kernel = frame_kernel(few, KernelSettings(alpha=2e-4, mode="exact"), device="cpu")
    result = kernel.matrix()
    assert result.n_fallback == 3
    np.testing.assert_allclose(result.dissimilarities, exact_dissimilarities(few.values, 2e-4), rtol=1e-4)


def test_refuses_a_device_that_is_not_there(perovskite_frames: ArrayFeatures) -> None:
    with pytest.raises(InputDataError, match=r"the device 'quantum' cannot be used.*cuda"):
        frame_kernel(perovskite_frames, device="quantum")
