import { expect, test } from "vitest";
import { linearTicks, logTicks, quantile, scaleFor, spellTick } from "../../src/charts/numbers";

test("ticks are spelt out", () => {
  expect([1000, 0.2, -2, 1e-7, 1e6].map(spellTick)).toEqual(["1,000", "0.2", "−2", "0.0000001", "1,000,000"]);
});

test("ticks of logarithms are 1, 2, 5 as far as there is room", () => {
  expect(logTicks([0.09, 11], 600, 40)).toEqual([0.1, 0.2, 0.5, 1, 2, 5, 10]);
  expect(logTicks([0.09, 11], 120, 40)).toEqual([0.1, 1, 10]);
  expect(logTicks([1e-6, 1e6], 200, 40)).toEqual([1e-6, 1e-3, 1, 1e3, 1e6]);
  expect(logTicks([1.1, 1.4], 300, 40).length).toBeGreaterThan(1);
});

test("all values lie within the domain, and nothing is made up for none", () => {
  for (const log of [false, true]) {
    for (const values of [[0.02, 3, 411], [5], [1e-8, 1e8], [0.5, 0.5]]) {
      const { domain, ticks } = scaleFor(values, log, 300, 40);
      for (const value of values) expect(value > domain[0] && value < domain[1]).toBe(true);
      for (const tick of ticks) expect(tick >= domain[0] && tick <= domain[1]).toBe(true);
    }
    expect(scaleFor([], log, 300, 40).domain.every(Number.isFinite)).toBe(true);
  }
  expect(scaleFor([2, 3, null, NaN, -1], true, 300, 40, [10]).domain[1]).toBeGreaterThan(10);
  expect(linearTicks([-0.1, 1.1], 6)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
});

test("quartiles are between order statistics", () => {
  expect([0, 0.25, 0.5, 1].map((p) => quantile([1, 2, 3, 4, 10], p))).toEqual([1, 2, 3, 10]);
});
