// What the page computes itself, for the cells that filters leave: as softmode.statistics.paired does.
import type { Estimate } from "./format";

/** Probabilities of at most k heads of n throws, for all k: exact to rounding. */
function heads(n: number): Float64Array {
  const all = new Float64Array(n + 1);
  let log = -n * Math.LN2;
  let sum = 0;
  for (let k = 0; k <= n; k++) {
    sum += Math.exp(log);
    all[k] = Math.min(sum, 1);
    log += Math.log(n - k) - Math.log(k + 1);
  }
  return all;
}

export function median(ordered: readonly number[]): number {
  const middle = ordered.length >> 1;
  if (!ordered.length) return NaN;
  if (ordered.length % 2) return ordered[middle]!;
  const [one, other] = [ordered[middle - 1]!, ordered[middle]!];
  return one === other ? one : (one + other) / 2; // also of infinities
}

/** Median with the interval of 95 % that order statistics give it; no bounds below six values. */
export function medianByOrder(values: readonly number[]): Estimate {
  const ordered = [...values].sort((a, b) => a - b);
  const rank = heads(ordered.length).findIndex((probability) => probability >= 0.025);
  const bounds = rank > 0 ? [ordered[rank - 1]!, ordered[ordered.length - rank]!] : [null, null];
  return { value: median(ordered), low: bounds[0]!, high: bounds[1]! };
}

/** Sign test: the probability of counts at least as uneven if either were as likely; null without any. */
export function signTest(better: number, worse: number): number | null {
  const n = better + worse;
  return n ? Math.min(1, 2 * heads(n)[Math.min(better, worse)]!) : null;
}

/** p-values after Holm, in the order given. */
export function holm(values: readonly number[]): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const corrected = new Array<number>(values.length);
  let largest = 0;
  order.forEach((place, i) => {
    largest = Math.max(largest, Math.min(1, values[place]! * (values.length - i)));
    corrected[place] = largest;
  });
  return corrected;
}

export interface Comparison {
  n: number;
  /** Median of second over first. */
  ratio: Estimate;
  /** On how many the second is better, or worse. */
  better: number;
  worse: number;
  p: number | null;
}

/** Errors of a second potential beside those of a first, of the same materials; infinite for a failure, NaN unknown. */
export function comparePaired(first: readonly number[], second: readonly number[]): Comparison {
  const ratios: number[] = [];
  let [better, worse] = [0, 0];
  first.forEach((one, i) => {
    const other = second[i]!;
    if (Number.isNaN(one) || Number.isNaN(other) || (one === Infinity && other === Infinity)) return;
    ratios.push(one > 0 ? other / one : one === other ? 1 : Infinity);
    if (other < one) better++;
    else if (other > one) worse++;
  });
  return { n: ratios.length, ratio: medianByOrder(ratios), better, worse, p: signTest(better, worse) };
}
