"""What decides the last bits: one thread on request, and a description to store."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from softmode.numerics import arithmetic, limited_threads


def _blas_threads() -> list[int]:
    return [pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"]


def test_one_thread_inside_and_as_before_afterwards():
    with threadpool_limits(2):
        before = _blas_threads()
        with limited_threads():
            assert set(_blas_threads()) == {1}
        assert _blas_threads() == before
        with pytest.raises(ValueError, match="on the way"), limited_threads():
            raise ValueError("on the way")
        assert _blas_threads() == before


def test_torch_is_held_to_one_thread_too():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with limited_threads():
            assert torch.get_num_threads() == 1
            assert arithmetic()["torch"]["threads"] == 1
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_arithmetic_names_the_libraries():
    found = arithmetic()
    assert json.loads(json.dumps(found)) == found
    assert found["numpy"] == np.__version__
    loaded = {pool["architecture"] for pool in threadpool_info() if pool["internal_api"] == "openblas"}
    assert {entry["kernel"] for entry in found["blas"] if entry["library"] == "openblas"} == loaded
    with threadpool_limits(1):
        assert {entry["threads"] for entry in arithmetic()["blas"]} == {1}


def test_arithmetic_names_jax_where_it_is_loaded():
    jax = pytest.importorskip("jax")
    assert arithmetic()["jax"]["version"] == jax.__version__


def test_arithmetic_sees_another_kernel():
    command = "import json, softmode.numerics as n; print(json.dumps(n.arithmetic()))"
    environment = {**os.environ, "OPENBLAS_CORETYPE": "Nehalem", "OPENBLAS_L2_SIZE": "512"}
    run = subprocess.run(
        [sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout)
    if not any(entry["library"] == "openblas" for entry in found["blas"]):
        pytest.skip("numpy does not use OpenBLAS here")
    assert {entry["kernel"] for entry in found["blas"]} == {"Nehalem"}
    assert found["OPENBLAS_L2_SIZE"] == "512"


def test_libraries_that_come_later_are_held_too():
    command = (
        "from softmode.numerics import limited_threads\n"
        "with limited_threads():\n"
        "    import numpy, scipy.linalg\n"
        "    from threadpoolctl import threadpool_info\n"
        "    print({pool['num_threads'] for pool in threadpool_info() if pool['user_api'] == 'blas'})"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "3"}
    run = subprocess.run(
        [sys.executable, "-c", command], env=environment, capture_output=True, text=True, check=True
    )
    assert run.stdout.strip() == "{1}"


def test_nothing_heavy_is_imported_for_it():
    command = "import sys, softmode.numerics; print({'numpy', 'scipy', 'torch'} & set(sys.modules))"
    run = subprocess.run([sys.executable, "-c", command], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
