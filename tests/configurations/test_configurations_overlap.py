"""Two-sample numbers: known distances, correlated clouds that are one, clouds that are two."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from test_configurations_map import dissimilarities_of
from wandering_crystal import ornstein_uhlenbeck, wandering_crystal

from softmode.configurations import SoapFeatures, SoapSettings, frame_kernel, overlap
from softmode.configurations.overlap import block_numbers, correlation_block_length, relabellings
from softmode.errors import InputDataError

FloatArray = NDArray[np.float64]
SCALE = 5e-3


def clouds(seed: int, n: int, time: float, *, shift: float = 0.0, widen: float = 1.0) -> FloatArray:
    """Two correlated clouds in five dimensions of feature space; 1 - K is some 1e-4."""
    rng = np.random.default_rng(seed)
    first, second = (ornstein_uhlenbeck(n, 5, time, rng) for _ in range(2))
    second = widen * second
    second[:, 0] += shift
    return dissimilarities_of(SCALE * np.concatenate([first, second]))


def test_discrepancy_in_closed_form() -> None:
    """With a linear kernel it is the squared distance of the means."""
    rng = np.random.default_rng(1)
    x, y = rng.standard_normal((30, 3)), rng.standard_normal((20, 3)) + 0.7
    found = overlap(dissimilarities_of(np.concatenate([x, y])), [30], [20], block_length=1).discrepancy
    gap = np.sum((x.mean(axis=0) - y.mean(axis=0)) ** 2)
    variance_x, variance_y = (np.sum(np.var(z, axis=0, ddof=1)) for z in (x, y))
    assert found.biased == pytest.approx(gap)
    assert found.unbiased == pytest.approx(gap - variance_x / 30 - variance_y / 20)
    assert found.within == pytest.approx(0.5 * (variance_x + variance_y))
    assert found.relative == pytest.approx(found.unbiased / found.within)


def test_pairs_within_a_block_do_not_count() -> None:
    """Frames that come in identical fours: as if there were a quarter of them."""
    rng = np.random.default_rng(2)
    x, y = rng.standard_normal((8, 3)), rng.standard_normal((6, 3))
    once = overlap(dissimilarities_of(np.concatenate([x, y])), [8], [6], block_length=1)
    fours = np.repeat(np.concatenate([x, y]), 4, axis=0)
    often = overlap(dissimilarities_of(fours), [4] * 8, [4] * 6, block_length=4)
    assert often.discrepancy.unbiased == pytest.approx(once.discrepancy.unbiased)
    assert often.discrepancy.p_value == pytest.approx(once.discrepancy.p_value)


def test_neighbours_of_separate_clouds_are_their_own() -> None:
    found = overlap(clouds(0, 40, 0.5, shift=50.0), [40], [40], block_length=4).neighbours
    assert found.share == 1.0
    assert found.separation == pytest.approx(1.0)
    # Ten blocks of four in either cloud: those at the ends have one neighbour, the others two.
    assert found.by_chance == pytest.approx((4 * 32 / 72 + 16 * 28 / 68) / 20)
    assert found.p_value < 0.01


def test_blocks_respect_runs() -> None:
    numbers = block_numbers([10, 3, 7], 4)
    assert numbers.tolist() == [0] * 5 + [1] * 5 + [2] * 3 + [3] * 7
    assert block_numbers([8], 4).tolist() == [0] * 4 + [1] * 4


def test_block_length_grows_with_the_correlation_time() -> None:
    rng = np.random.default_rng(0)
    lengths = [
        correlation_block_length(
            dissimilarities_of(SCALE * ornstein_uhlenbeck(600, 5, time, rng)), [300, 300]
        )
        for time in (0.2, 3.0, 15.0)
    ]
    assert lengths[0] <= 3
    # Five correlation times; the leading components are those that happened to move slowest.
    assert 10 <= lengths[1] <= 40
    assert 50 <= lengths[2] <= 200


def test_all_relabellings_of_few_blocks() -> None:
    labels = relabellings((2, 3), 2000, np.random.default_rng(0))
    assert labels.shape == (10, 5)
    assert len({tuple(row) for row in labels.tolist()}) == 10
    assert labels[0].tolist() == [True, True, False, False, False]
    many = relabellings((20, 25), 300, np.random.default_rng(0))
    assert many.shape == (301, 45)
    assert (many.sum(axis=1) == 20).all()


def test_smallest_p_value() -> None:
    found = overlap(clouds(0, 40, 0.5, shift=50.0), [40], [40], block_length=10)
    assert found.n_blocks == (4, 4)
    # 70 labellings, each as good as the one with the clouds exchanged.
    assert found.smallest_p_value == pytest.approx(2 / 70)
    assert found.discrepancy.p_value == pytest.approx(2 / 70)
    assert found.reliable


def test_a_single_block_has_no_significance() -> None:
    found = overlap(clouds(0, 20, 0.5, shift=3.0), [20], [20], block_length=20)
    assert math.isnan(found.discrepancy.p_value)
    assert math.isnan(found.neighbours.p_value)
    assert found.discrepancy.unbiased > 0.0
    assert not found.reliable


def test_halves_of_one_trajectory_and_another_temperature() -> None:
    """NaCl with springs, whole pipeline: halves are alike, a third more of the temperature is not."""
    cold = wandering_crystal(240, 1, amplitude=0.10, time=2.0)
    warm = wandering_crystal(120, 2, amplitude=0.10 * math.sqrt(4 / 3), time=2.0)
    soap = SoapSettings(r_cut=3.5, n_max=3, l_max=2, sigma=0.3)
    matrix = frame_kernel(SoapFeatures((cold, warm), soap), threads=2).matrix().dissimilarities
    halves = overlap(matrix[:240, :240], [120], [120])
    assert halves.discrepancy.p_value > 0.05
    assert halves.neighbours.p_value > 0.05
    # Means of n independent blocks are each some within / n from the truth.
    assert abs(halves.discrepancy.relative) < 2.0 / min(halves.n_blocks)
    differing = overlap(matrix, [240], [120])
    assert differing.discrepancy.p_value < 0.01
    assert differing.discrepancy.relative > abs(halves.discrepancy.relative)
    assert differing.neighbours.separation > halves.neighbours.separation


def test_frames_shuffled_in_time_would_find_differences_that_are_none() -> None:
    """What the blocks are for: slow clouds of one distribution differ to a test that ignores time."""
    naive = [overlap(clouds(s, 100, 12.0), [100], [100], block_length=1) for s in range(12)]
    assert np.mean([found.discrepancy.p_value < 0.05 for found in naive]) > 0.5
    blocks = [overlap(clouds(s, 100, 12.0), [100], [100]) for s in range(12)]
    assert np.mean([found.discrepancy.p_value < 0.05 for found in blocks]) <= 3 / 12


def test_refusals() -> None:
    with pytest.raises(InputDataError, match="single frame"):
        overlap(clouds(0, 2, 1.0)[:3, :3], [1], [2])
    with pytest.raises(InputDataError, match="same configuration"):
        overlap(np.zeros((6, 6)), [3], [3])
    with pytest.raises(ValueError, match="do not make a matrix"):
        overlap(np.zeros((6, 6)), [3], [2])


@pytest.mark.slow
@pytest.mark.parametrize(("n", "time", "runs"), [(200, 1.0, 1), (400, 5.0, 1), (400, 5.0, 4)])
def test_size(n: int, time: float, runs: int) -> None:
    """Clouds of one distribution: p < 0.05 in about 5 % of 400 simulations (binomial: 2 to 8 %, 99.5 %)."""
    rng = np.random.default_rng([n, runs])
    p_values = []
    for _ in range(400):
        pieces = [ornstein_uhlenbeck(n // runs, 5, time, rng) for _ in range(2 * runs)]
        matrix = dissimilarities_of(SCALE * np.concatenate(pieces))
        found = overlap(matrix, [n // runs] * runs, [n // runs] * runs, n_permutations=400)
        p_values.append((found.discrepancy.p_value, found.neighbours.p_value))
    rates = np.mean(np.array(p_values) < 0.05, axis=0)
    assert (rates < 0.08).all(), rates
    assert (rates > 0.01).all(), rates


@pytest.mark.slow
def test_power() -> None:
    """Centres one standard deviation apart are found; a cloud a third wider is found by its neighbours."""
    shifted = [overlap(clouds(s, 400, 3.0, shift=1.0), [400], [400], n_permutations=400) for s in range(50)]
    assert np.mean([found.discrepancy.p_value < 0.05 for found in shifted]) > 0.9
    wider = [overlap(clouds(s, 400, 3.0, widen=1.5), [400], [400], n_permutations=400) for s in range(50)]
    # The kernel is linear in these features: equal centres are equal to it, whatever the widths.
    assert np.mean([found.discrepancy.p_value < 0.05 for found in wider]) < 0.2
    assert np.mean([found.neighbours.p_value < 0.05 for found in wider]) > 0.3
