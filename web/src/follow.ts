// Charts of potentials in pairs, made again from the cells that the filters leave.
import type { Chart, Heat, IntervalRow, Intervals, Page } from "./contract";
import { count } from "./format";
import { isFiltered } from "./model";
import { comparePaired, holm, type Comparison } from "./statistics";

/** Corrected p-values below this are beyond chance. */
const LEVEL = 0.05;
/** Ratios between which intervals are drawn. */
const [LEAST, MOST] = [0.1, 10];

/** A chart as the filters leave it; null where it carries numbers of its own, of all materials. */
export function followed(chart: Chart, page: Page, cells: readonly number[]): Chart | null {
  if (chart.kind === "intervals" && chart.over && chart.columns?.length) return ratios(chart, page, cells);
  return chart.kind === "heat" && chart.of ? shares(chart, page, cells) : null;
}

/** What a chart is drawn from: itself, where nothing is filtered or it cannot follow. */
export const shownChart = (chart: Chart, page: Page, cells: readonly number[]): Chart => (isFiltered() ? followed(chart, page, cells) : null) ?? chart;

/** Errors by potential and material: of a column of the cells its size, infinite for a failure. */
function errorsByPotential(page: Page, cells: readonly number[], column: string): Map<string, Map<number, number>> {
  const values = page.cells.values[column];
  const found = new Map<string, Map<number, number>>();
  for (const cell of values ? cells : []) {
    const value = values![cell];
    const error = typeof value === "number" ? Math.abs(value) : page.cells.state[cell] === "failed" ? Infinity : NaN;
    if (Number.isNaN(error)) continue;
    const name = page.potentials[page.cells.potential[cell]!]!.name;
    if (!found.has(name)) found.set(name, new Map());
    found.get(name)!.set(page.cells.material[cell]!, error);
  }
  return found;
}

function pairOf(first: Map<number, number> | undefined, second: Map<number, number> | undefined): Comparison | null {
  if (!first || !second) return null;
  const shared = [...first.keys()].filter((material) => second.has(material));
  return shared.length ? comparePaired(shared.map((each) => first.get(each)!), shared.map((each) => second.get(each)!)) : null;
}

/** Whether each is beyond chance, corrected for all of them. */
function beyondChance(pairs: readonly Comparison[]): Set<Comparison> {
  const tested = pairs.filter((each) => each.p !== null);
  const corrected = holm(tested.map((each) => each.p!));
  return new Set(tested.filter((_, i) => corrected[i]! < LEVEL));
}

function ratios(chart: Intervals, page: Page, cells: readonly number[]): Intervals | null {
  const order = [...new Set(chart.rows.map((row) => row.label))];
  const made = chart.columns!.flatMap(([facet, column]) => {
    const errors = errorsByPotential(page, cells, column);
    return order.flatMap((name) => {
      const pair = pairOf(errors.get(chart.over!), errors.get(name));
      return pair && Number.isFinite(pair.ratio.value) && pair.ratio.value > 0 ? [{ facet, name, pair }] : [];
    });
  });
  if (!made.length) return null;
  const sure = beyondChance(made.map(({ pair }) => pair));
  const rows = made.map(({ facet, name, pair }): IntervalRow => {
    const { value, low, high } = pair.ratio;
    const inside = low !== null && high !== null;
    return { label: name, facet, value, low: inside ? Math.max(low, LEAST) : null, high: inside ? Math.min(high, MOST) : null, potential: name, strong: sure.has(pair) };
  });
  const tests = made.filter(({ pair }) => pair.p !== null).length;
  return { ...chart, rows, note: `${chart.note} Of what the filters leave, corrected for ${count(tests, "test")}.` };
}

function shares(chart: Heat, page: Page, cells: readonly number[]): Heat | null {
  const errors = errorsByPotential(page, cells, chart.of!);
  const names = chart.rows.filter((name) => errors.has(name));
  if (names.length < 2) return null;
  // The row is the second: what is counted is on how many it is better.
  const pairs = names.map((row, i) => names.map((column, j) => (i === j ? null : pairOf(errors.get(column), errors.get(row)))));
  const upper = pairs.flatMap((line, i) => line.filter((each, j): each is Comparison => j > i && each !== null));
  const sure = beyondChance(upper);
  const values = pairs.map((line) => line.map((each) => (each && each.better + each.worse ? (100 * each.better) / (each.better + each.worse) : null)));
  const strong = pairs.map((line, i) => line.map((each, j) => each !== null && sure.has(j > i ? each : pairs[j]![i]!)));
  return { ...chart, rows: names, columns: names, values, note: `${chart.note} Of what the filters leave, corrected for ${count(upper.length, "test")}.`, texts: values.map((line) => line.map((each) => (each === null ? "" : String(Math.round(each))))), strong };
}
