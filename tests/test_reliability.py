"""What docs/reliability.md promises, tested as stated: figures under other kernels and on other threads."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_figures import PROMISED, distance, under, usable_kernels
from numpy.typing import NDArray

Figures = dict[str, NDArray[np.float64]]


def of_kernel(kernel: str | None) -> Figures:
    found, taken = under(kernel)
    if kernel is not None and taken != kernel:
        pytest.skip(f"OpenBLAS took {taken} for {kernel}")
    return found


@pytest.fixture(scope="module")
def chosen_here() -> Figures:
    """Under the kernel that OpenBLAS chooses for this processor."""
    return of_kernel(None)


@pytest.mark.parametrize("kernel", ["Nehalem", "Haswell", "SkylakeX"])
def test_figures_agree_across_kernels_as_promised(kernel: str, chosen_here: Figures) -> None:
    if kernel not in usable_kernels():
        pytest.skip(f"this processor cannot run {kernel}")
    found = of_kernel(kernel)
    assert set(found) == set(chosen_here) == set(PROMISED)
    apart = {name: distance(name, chosen_here[name], found[name]) for name in PROMISED}
    assert {name: far for name, far in apart.items() if not far <= PROMISED[name]} == {}


@pytest.mark.parametrize("threads", ["1", "3"])
def test_figures_have_the_same_bits_on_one_machine(
    threads: str, chosen_here: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", threads)
    found = of_kernel(None)
    for name, values in chosen_here.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)
