// How a material stands among all others with the same potential.

import type { Column, Page } from "../contract";
import { errorsOf } from "../select";

export interface Rank {
  /** Cells of the potential that have the value. */
  n: number;
  /** Share of them with a smaller error, 0 to 1. */
  worse: number;
}

/** Fewer materials than this are no crowd to be compared with. */
const LEAST = 5;

/** Whether a column says how good results are: what they cost says nothing of that. */
export function isError(column: Column): boolean {
  return column.better !== null && column.kind === "number" && column.chapter.toLowerCase() !== "cost";
}

/** Where a cell's error stands among those of its potential; null where there is none, or too few others. */
export function rankOf(page: Page, column: Column, cell: number): Rank | null {
  if (!isError(column)) return null;
  const errors = errorsFor(page, column);
  const own = errors[cell]!;
  if (!Number.isFinite(own)) return null;
  const potential = page.cells.potential[cell];
  let [n, below] = [0, 0];
  errors.forEach((error, other) => {
    if (page.cells.potential[other] !== potential || !Number.isFinite(error)) return;
    n++;
    // Errors of columns where much is good are compared the other way round.
    if (column.better === "high" ? error > own : error < own) below++;
  });
  return n < LEAST ? null : { n, worse: below / Math.max(1, n - 1) };
}

const known = new WeakMap<Page, Map<string, Float64Array>>();

/** Errors of a column, kept. */
export function errorsFor(page: Page, column: Column): Float64Array {
  const of = known.get(page) ?? new Map<string, Float64Array>();
  known.set(page, of);
  const errors = of.get(column.name) ?? errorsOf(page, column);
  of.set(column.name, errors);
  return errors;
}

/** “worst 8 %” where 92 % of the others are done better; “best 8 %”. */
export function rankWord({ worse }: Rank): string {
  const percent = Math.round(100 * worse);
  if (percent === 100 || percent === 0) return percent ? "worst" : "best";
  return percent >= 50 ? `worst ${100 - percent} %` : `best ${percent} %`;
}

/** “worse than on 92 % of the other 142 crystals”, or better. */
export function rankText({ n, worse }: Rank): string {
  const percent = Math.round(100 * worse);
  const of = (share: number) => (share === 100 ? `on all other ${n - 1} crystals` : `on ${share} % of the other ${n - 1} crystals`);
  return percent >= 50 ? `worse than ${of(percent)}` : `better than ${of(100 - percent)}`;
}
