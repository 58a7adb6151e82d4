"""How hot each mode is in a short run with frequent Andersen collisions: oscillators, steps in ASE's order.

    python benchmarks/andersen_modes.py

Ten thousand independent oscillators a frequency, steps of 1 fs, collision probability 1/2; the temperature of
the positions, ``k <x²> / k_B``, is the mean over the run. Numpy alone. Beside it the closed form for
overdamped motion, ``T' - (T' - T₀) τ/(2t) (1 - exp(-2t/τ))`` with ``τ = γ/ω²`` and ``γ = p / ((1 - p) Δt)``.
"""

from __future__ import annotations

import numpy as np

FREQUENCIES = (0.5, 1.0, 2.0, 3.5, 5.0, 10.0, 15.0)  # THz
PROBABILITY = 0.5
TIMESTEP = 1e-3  # ps
N = 10_000


def mean_temperature(
    frequency: float, steps: int, thermostat: float, start: float, skipped: int = 0
) -> float:
    """Mean temperature of the positions over a run, K.

    Parameters
    ----------
    frequency : float
        THz.
    steps, skipped : int
        Length of the run, and steps at its beginning that are left out.
    thermostat, start : float
        K: what the thermostat is set to, and what the positions have at the start.
    """
    rng = np.random.default_rng(2026)
    omega2 = (2 * np.pi * frequency) ** 2
    # in units of kT/m at 1 K
    x = np.sqrt(start / omega2) * rng.standard_normal(N)
    v = np.sqrt(thermostat) * rng.standard_normal(N)
    found = []
    for _ in range(steps):
        v -= 0.5 * TIMESTEP * omega2 * x
        hit = rng.random(N) < PROBABILITY
        v[hit] = np.sqrt(thermostat) * rng.standard_normal(int(hit.sum()))
        x += TIMESTEP * v
        v -= 0.5 * TIMESTEP * omega2 * x
        found.append(omega2 * float((x**2).mean()))
    return float(np.mean(found[skipped:]))


def closed_form(frequency: float, time: float, end: float, start: float) -> float:
    """The same for overdamped motion from `start` to `end`, K, over `time`, ps."""
    friction = PROBABILITY / ((1 - PROBABILITY) * TIMESTEP)
    a = 2 * time * (2 * np.pi * frequency) ** 2 / friction
    return float(end - (end - start) * (1 - np.exp(-a)) / a)


def main() -> None:
    """Print a table."""
    hot = 300.0 * (1 - PROBABILITY / 2) / (1 - PROBABILITY)
    print("mean temperature of the positions, K")
    print("           set to 300 K        set to 200 K   set to 300 K, begun at rest,")
    print("  THz      begun at 300 K, 2 ps (closed form)  1.6 ps, 0.1 ps left out")
    for frequency in FREQUENCIES:
        printed = mean_temperature(frequency, 2000, 300.0, 300.0)
        control = mean_temperature(frequency, 2000, 200.0, 300.0)
        from_rest = mean_temperature(frequency, 1600, 300.0, 0.0, 100)
        expected = closed_form(frequency, 2.0, hot, 300.0)
        print(f"{frequency:5.1f}  {printed:8.0f} ({expected:.0f})  {control:15.0f}  {from_rest:18.0f}")


if __name__ == "__main__":
    main()
