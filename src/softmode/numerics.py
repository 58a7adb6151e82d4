"""What decides the last bits of a result besides the input: libraries, their kernels, threads.

The same machine with the same versions gives the same bits as long as every computation runs on one thread;
what may be expected across machines stands in ``docs/reliability.md``.
"""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

#: What BLAS, LAPACK and OpenMP read when they are imported.
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_limit: ContextVar[int | None] = ContextVar("threads", default=None)


def set_thread_variables(threads: int = 1) -> None:
    """Set the threads of libraries that are imported after this, here and in processes that are started.

    What the user has set is replaced, so that no result depends on it.
    """
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, str(threads)))


@contextmanager
def thread_variables(threads: int) -> Iterator[None]:
    """As :func:`set_thread_variables`, inside the block; as before it afterwards."""
    before = {name: os.environ[name] for name in THREAD_VARIABLES if name in os.environ}
    set_thread_variables(threads)
    try:
        yield
    finally:
        for name in THREAD_VARIABLES:
            os.environ.pop(name, None)
        os.environ.update(before)


@contextmanager
def limited_threads(threads: int = 1) -> Iterator[None]:
    """So many threads for linear algebra, OpenMP and torch inside the block; as before it afterwards.

    Sums come in another order on another number of threads, and with them other last bits. Libraries that are
    loaded when the block is entered are held, those of numpy and scipy always: load the potential first.
    """
    import scipy.linalg  # noqa: F401 (brings a BLAS of its own, which could not be held if it came later)
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    before = None if torch is None else torch.get_num_threads()
    limit = _limit.set(threads)
    with threadpool_limits(limits=threads):
        if torch is not None:
            torch.set_num_threads(threads)
        try:
            yield
        finally:
            _limit.reset(limit)
            if torch is not None:
                torch.set_num_threads(before)


def thread_limit() -> int | None:
    """Threads that :func:`limited_threads` holds libraries to at the moment; None outside of it."""
    return _limit.get()


def same_arithmetic(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two processes give the same last bits, as far as both say (:func:`arithmetic`).

    Libraries that only one of them has loaded are not what decides.
    """
    common = one.keys() & other.keys()
    if any(one[name] != other[name] for name in common - {"blas", "potential"}):
        return False
    kernels, others = (
        {(library["library"], library["version"]): library for library in said.get("blas", ())}
        for said in (one, other)
    )
    if any(kernels[name] != others[name] for name in kernels.keys() & others.keys()):
        return False
    return "potential" not in common or same_arithmetic(one["potential"], other["potential"])


def arithmetic() -> dict[str, Any]:
    """What decides the last bits in this process, to be stored with a result.

    Returns
    -------
    dict
        For JSON: ``machine`` (architecture); ``numpy`` and ``numpy_simd`` (version, widest vector unit used);
        ``blas`` (library, version, kernel and threads of each that is loaded) with ``OPENBLAS_L2_SIZE`` where
        it is set, for it changes the blocks of a product; ``torch`` where it is loaded (version, vector unit,
        threads, accelerator where one is used); ``jax`` where it is loaded (version, that of its compiler,
        what the compiler was told).
    """
    import numpy as np
    from threadpoolctl import threadpool_info

    found = np.show_config(mode="dicts")["SIMD Extensions"]
    libraries = [
        {
            "library": pool["internal_api"],
            "version": pool["version"],
            "kernel": pool.get("architecture"),
            "threads": pool["num_threads"],
        }
        for pool in sorted(threadpool_info(), key=lambda pool: str(pool["filepath"]))
        if pool["user_api"] == "blas"
    ]
    settings: dict[str, Any] = {
        "machine": platform.machine(),
        "numpy": np.__version__,
        "numpy_simd": [*found["baseline"], *found.get("found", [])][-1],
        "blas": libraries,
    }
    if "OPENBLAS_L2_SIZE" in os.environ:
        settings["OPENBLAS_L2_SIZE"] = os.environ["OPENBLAS_L2_SIZE"]
    torch = sys.modules.get("torch")
    if torch is not None:
        settings["torch"] = {
            "version": torch.__version__,
            "simd": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads(),
        }
        if torch.cuda.is_initialized():
            settings["torch"]["accelerator"] = torch.cuda.get_device_name()
    jax = sys.modules.get("jax")
    if jax is not None:
        settings["jax"] = {
            "version": jax.__version__,
            "jaxlib": sys.modules["jaxlib"].__version__,
            "XLA_FLAGS": os.environ.get("XLA_FLAGS", ""),
        }
    return settings
