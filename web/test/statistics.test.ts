import { expect, test } from "vitest";
import { comparePaired, holm, medianByOrder, signTest } from "../src/statistics";

/** Counts all 2^n outcomes of n throws of a coin: how many have at most k heads. */
function atMost(k: number, n: number): number {
  let found = 0;
  for (let outcome = 0; outcome < 2 ** n; outcome++) if (outcome.toString(2).replace(/0/g, "").length <= k) found++;
  return found / 2 ** n;
}

test("the interval of a median covers it with 95 %, and with the next order statistics it does not", () => {
  for (const n of [6, 9, 13]) {
    const values = Array.from({ length: n }, (_, i) => (i * 7) % n); // 0 … n - 1, in another order
    const { low, high } = medianByOrder(values);
    // outside: at most `low` values below the median, or as many above
    expect(2 * atMost(low!, n)).toBeLessThan(0.05);
    expect(2 * atMost(low! + 1, n)).toBeGreaterThan(0.05);
    expect(high).toBe(n - 1 - low!);
  }
});

test("below six values there is no interval", () => {
  expect(medianByOrder([3, 1, 2, 5, 4])).toEqual({ value: 3, low: null, high: null });
  expect(medianByOrder([]).value).toBeNaN();
  // scipy.stats.binom.ppf(0.025, n, 0.5) is 60 for 143 and 469 for 1000
  const many = (n: number) => medianByOrder(Array.from({ length: n }, (_, i) => i + 1));
  expect(many(143)).toEqual({ value: 72, low: 60, high: 84 });
  expect(many(1000)).toEqual({ value: 500.5, low: 469, high: 532 });
});
test("the sign test counts outcomes at least as uneven", () => {
  for (const [better, worse] of [[0, 6], [2, 9], [8, 3]] as const)
    expect(signTest(better, worse)).toBeCloseTo(2 * atMost(Math.min(better, worse), better + worse), 12);
  expect(signTest(4, 4)).toBe(1);
  expect(signTest(0, 0)).toBeNull();
  expect(signTest(2000, 0)).toBe(0); // 2 to the power of -1999
});

test("errors are compared within materials", () => {
  const first = [1, 2, 4, Infinity, NaN, Infinity, 0, 0];
  const second = [2, 1, 8, 1, 1, Infinity, 0, 1];
  const found = comparePaired(first, second);
  expect(found.n).toBe(6); // not the unknown one, not the one on which both failed
  expect([found.better, found.worse]).toEqual([2, 3]);
  expect(found.ratio.value).toBe(1.5); // 0, 0.5, 1, 2, 2, ∞
});

test("Holm's correction", () => {
  expect(holm([0.01, 0.04, 0.03])).toEqual([0.03, 0.06, 0.06]);
});
