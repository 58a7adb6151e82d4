// Which potential for the cells that filters leave, and how sure that is.
import type { Column, Page } from "./contract";
import { count, estimate, listed, number, unitOf, type Estimate } from "./format";
import { errorsOf, nMaterials } from "./select";
import { comparePaired, holm, median, medianByOrder, type Comparison } from "./statistics";

export interface Standing {
  /** Place in `Page.potentials`. */
  potential: number;
  /** Cells with a value, and failed ones. */
  n: number;
  failed: number;
  median: Estimate;
  /** Over the leader's errors, by material; null of the leader, and where errors have signs. */
  paired: Comparison | null;
  /** p of `paired` after Holm. */
  p: number | null;
  bias: Estimate | null;
}

export interface Comparisons {
  column: Column;
  biasColumn: Column | null;
  nMaterials: number;
  /** The best first. */
  rows: Standing[];
}

/** Column that tells on which side potentials err: the one with a target in the chapter of the errors. */
export function biasOf(page: Page, column: Column): Column | null {
  const sided = page.columns.filter((each) => each.better === "target" && each.name !== column.name);
  return sided.find((each) => each.chapter === column.chapter && each.main) ?? sided.find((each) => each.main) ?? null;
}

export function compare(page: Page, cells: readonly number[], column: Column): Comparisons {
  const sign = column.better === "high" ? -1 : 1;
  const errors = errorsOf(page, column);
  const biasColumn = column.better === null ? null : biasOf(page, column);
  const byPotential = new Map<number, number[]>();
  for (const cell of cells) {
    const potential = page.cells.potential[cell]!;
    const some = byPotential.get(potential);
    if (some) some.push(cell);
    else byPotential.set(potential, [cell]);
  }
  const known = (cell: number) => Number.isFinite(errors[cell]!);
  const standings = [...byPotential].flatMap(([potential, own]): (Standing & { rank: number; own: number[] })[] => {
    const values = own.filter(known).map((cell) => errors[cell]!);
    const failed = own.filter((cell) => page.cells.state[cell] === "failed").length;
    if (!values.length && !failed) return []; // not measured
    const all = own.map((cell) => sign * errors[cell]!).filter((value) => !Number.isNaN(value));
    const biases = biasColumn ? numbers(page, biasColumn, own) : [];
    return [
      {
        potential,
        n: values.length,
        failed,
        median: medianByOrder(values),
        paired: null,
        p: null,
        bias: biases.length ? medianByOrder(biases) : null,
        rank: median(all.sort((a, b) => a - b)),
        own,
      },
    ];
  });
  const most = Math.max(0, ...standings.map((each) => each.n + each.failed));
  const few = (each: Standing) => (2 * (each.n + each.failed) < most ? 1 : 0); // does not lead on a few easy ones
  if (column.better !== null) standings.sort((a, b) => few(a) - few(b) || a.rank - b.rank || b.n - a.n);
  else standings.sort((a, b) => a.potential - b.potential);
  const rows = withPairs(page, standings, errors, column);
  return { column, biasColumn, nMaterials: nMaterials(page, cells.filter((cell) => !Number.isNaN(errors[cell]!))), rows };
}

function numbers(page: Page, column: Column, cells: readonly number[]): number[] {
  const values = page.cells.values[column.name] ?? [];
  return cells.map((cell) => values[cell]).filter((value) => typeof value === "number");
}

function withPairs(page: Page, standings: (Standing & { own: number[] })[], errors: Float64Array, column: Column): Standing[] {
  const byMaterial = (own: readonly number[]) => new Map(own.map((cell) => [page.cells.material[cell]!, errors[cell]!]));
  const [leader, ...others] = standings;
  if (!leader) return [];
  const first: Errors = byMaterial(leader.own);
  const signed = column.better === null || standings.some((each) => each.own.some((cell) => errors[cell]! < 0));
  const strip = ({ potential, n, failed, median, bias }: Standing): Standing => ({ potential, n, failed, median, bias, paired: null, p: null });
  const seconds = others.map((each) => byMaterial(each.own));
  const rows = others.map((each, i) => {
    const paired = signed ? null : comparePaired(...common(first, seconds[i]!));
    if (paired && column.better === "high") [paired.better, paired.worse] = [paired.worse, paired.better];
    return { ...strip(each), paired: paired?.n ? paired : null };
  });
  const tested = rows.filter((each) => each.paired?.p != null);
  const rest = signed ? [] : seconds.flatMap((one, i) => seconds.slice(i + 1).map((other) => comparePaired(...common(one, other)).p));
  const corrected = holm([...tested.map((each) => each.paired!.p!), ...rest.filter((p) => p !== null)]); // of all pairs
  tested.forEach((each, i) => (each.p = corrected[i]!));
  return [strip(leader), ...rows];
}

type Errors = Map<number, number>;

/** Errors of two potentials on the materials that both have. */
function common(first: Errors, second: Errors): [number[], number[]] {
  const shared = [...first.keys()].filter((material) => second.has(material));
  return [shared.map((material) => first.get(material)!), shared.map((material) => second.get(material)!)];
}

/** Fewest values that have an interval of 95 %. */
export const FEWEST = 6;

/** The answer in words. */
export function answer(page: Page, { column, nMaterials: n, rows }: Comparisons): string[] {
  const name = (each: Standing) => page.potentials[each.potential]!.name;
  const [leader, ...others] = rows;
  if (!leader) return ["No cell with this figure is left."];
  if (column.better === null) return []; // neither good nor bad
  const [label, unit] = unitOf(column.label);
  const figure = column.better === "target" ? `distance of ${label} from ${number(column.target)}` : label;
  const value = `${estimate(leader.median)}${unit ? ` ${unit}` : ""}`;
  if (!Number.isFinite(leader.median.value)) return [`Every potential failed on what is left.`];
  if (!others.length) return [`${name(leader)} alone is left: ${n === 1 ? "" : "median "}${value} (${figure}; ${count(leader.n, "material")}).`];
  const best = column.better === "high" ? "largest" : "smallest";
  const first = `${name(leader)} has the ${best} ${n === 1 ? "value" : "median"}, ${value} (${figure}; ${count(n, "material")}).`;
  if (n < FEWEST)
    return [first, n === 1 ? "One material ranks no potentials." : `${n} materials do not say how sure that is: there is neither interval nor test below ${FEWEST}.`];
  const apart = others.filter((each) => each.p !== null && each.p < 0.05 && leads(each));
  const level = others.filter((each) => !apart.includes(each));
  const sure = !apart.length
    ? `No other is told apart from it: sign tests by material, after Holm, have p ≥ 0.05.`
    : `It is better than ${listed(apart.map(name))} (sign tests by material, after Holm, p < 0.05).`;
  const open = apart.length && level.length ? [`Not told apart from it: ${listed(level.map(name))}.`] : [];
  const runner = level[0] ?? others[0]!;
  const beside = runner.paired
    ? [`Beside it, ${name(runner)} has errors ${estimate(runner.paired.ratio)} times as large by material, the smaller on ${runner.paired.better} of ${runner.paired.n}.`]
    : [];
  return [first, sure, ...open, ...(column.better === "high" ? [] : beside)];
}

const leads = (each: Standing) => each.paired!.worse > each.paired!.better;
