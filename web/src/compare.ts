// Which potential for the cells that filters leave, and how sure that is.
import type { Column, Page } from "./contract";
import { count, estimate, listed, number, unitOf, type Estimate } from "./format";
import { errorsOf, nMaterials } from "./select";
import { DAGGER, seenAmong, seenText, type SeenSome } from "./seen";
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
  /** How many of the materials compared it has seen in training; null: none, as far as is known. */
  seen: SeenSome | null;
  /** Has been measured on less than half as many materials as others: is not ranked. */
  few: boolean;
}

export interface Comparisons {
  column: Column;
  biasColumn: Column | null;
  /** Materials that all potentials ranked have been measured on, or failed on: those that they are compared on. */
  nMaterials: number;
  /** Materials with a value of any. */
  nAny: number;
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
  const { byPotential, few, shared, nAny } = sharedCells(page, cells, errors);
  const known = (cell: number) => Number.isFinite(errors[cell]!);
  const standings = [...byPotential].flatMap(([potential, own]): (Standing & { rank: number; own: number[] })[] => {
    const some = seenAmong(page, own).get(potential);
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
        seen: some ?? null,
        few: few.has(potential),
        rank: median(all.sort((a, b) => a - b)),
        own,
      },
    ];
  });
  if (column.better !== null) standings.sort((a, b) => Number(a.few) - Number(b.few) || a.rank - b.rank || b.n - a.n);
  else standings.sort((a, b) => a.potential - b.potential);
  const rows = withPairs(page, standings, errors, column, shared.size > 0);
  return { column, biasColumn, nMaterials: shared.size, nAny, rows };
}

/** Cells by potential, of the materials alone that all have a figure of: medians over different crystals rank nothing. */
function sharedCells(page: Page, cells: readonly number[], errors: Float64Array) {
  const known = new Map<number, number[]>();
  for (const cell of cells) {
    if (Number.isNaN(errors[cell]!)) continue;
    const potential = page.cells.potential[cell]!;
    const some = known.get(potential);
    if (some) some.push(cell);
    else known.set(potential, [cell]);
  }
  const most = Math.max(0, ...[...known.values()].map((own) => own.length));
  const few = new Set([...known].filter(([, own]) => 2 * own.length < most).map(([potential]) => potential));
  const ranked = [...known].filter(([potential]) => !few.has(potential)).map(([, own]) => new Set(own.map((cell) => page.cells.material[cell]!)));
  const shared = new Set([...(ranked[0] ?? [])].filter((material) => ranked.every((own) => own.has(material))));
  // Where there is no such material, or where a potential is not ranked, its own stay.
  const kept = (potential: number, own: number[]) => (few.has(potential) || !shared.size ? own : own.filter((cell) => shared.has(page.cells.material[cell]!)));
  const byPotential = new Map([...known].map(([potential, own]) => [potential, kept(potential, own)] as const));
  return { byPotential, few, shared, nAny: nMaterials(page, [...known.values()].flat()) };
}

function numbers(page: Page, column: Column, cells: readonly number[]): number[] {
  const values = page.cells.values[column.name] ?? [];
  return cells.map((cell) => values[cell]).filter((value) => typeof value === "number");
}

function withPairs(page: Page, standings: (Standing & { own: number[] })[], errors: Float64Array, column: Column, comparable: boolean): Standing[] {
  const byMaterial = (own: readonly number[]) => new Map(own.map((cell) => [page.cells.material[cell]!, errors[cell]!]));
  const [leader, ...others] = standings;
  if (!leader) return [];
  const first: Errors = byMaterial(leader.own);
  const signed = !comparable || column.better === null || standings.some((each) => each.own.some((cell) => errors[cell]! < 0));
  const strip = ({ potential, n, failed, median, bias, seen, few }: Standing): Standing => ({ potential, n, failed, median, bias, seen, few, paired: null, p: null });
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
export function answer(page: Page, { column, nMaterials: n, nAny, rows }: Comparisons): string[] {
  const name = (each: Standing) => page.potentials[each.potential]!.name + (each.seen ? DAGGER : "");
  const [leader, ...others] = rows;
  if (!leader) return ["No cell with this figure is left."];
  if (column.better === null) return []; // neither good nor bad
  if (!n) return ["What is left holds no material that all potentials have been measured on: their medians are of different crystals and rank nothing."];
  const [label, unit] = unitOf(column.label);
  const figure = column.better === "target" ? `distance of ${label} from ${number(column.target)}` : label;
  const value = `${estimate(leader.median)}${unit ? ` ${unit}` : ""}`;
  if (!Number.isFinite(leader.median.value)) return [`Every potential failed on what is left.`];
  if (!others.length) return [`${name(leader)} alone is left: ${n === 1 ? "" : "median "}${value} (${figure}; ${count(leader.n, "material")})${leader.seen ? `: it was ${seenText(leader.seen, n)}` : ""}.`];
  const best = column.better === "high" ? "largest" : "smallest";
  const first = `${name(leader)} has the ${best} ${n === 1 ? "value" : "median"}, ${value} (${figure}; ${materials(n, nAny, rows)})${leader.seen ? `: it was ${seenText(leader.seen, n)}` : ""}.`;
  const unseen = leader.seen && others.find((each) => !each.seen && !each.few && Number.isFinite(each.median.value));
  const fair = !leader.seen
    ? []
    : [unseen ? `Of those that have seen none of them, ${name(unseen)} has the ${best}, ${estimate(unseen.median)}${unit ? ` ${unit}` : ""}.` : `None of the others has seen none of them.`];
  if (n < FEWEST)
    return [first, ...fair, n === 1 ? "One material ranks no potentials." : `${n} materials do not say how sure that is: there is neither interval nor test below ${FEWEST}.`];
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
  return [first, ...fair, sure, ...open, ...(column.better === "high" ? [] : beside)];
}

/** How many materials, and why not all. */
function materials(n: number, nAny: number, rows: readonly Standing[]): string {
  if (n === nAny) return count(n, "material");
  const ranked = rows.filter((each) => !each.few).length;
  return `the ${n} of ${count(nAny, "material")} that all ${ranked}${ranked < rows.length ? " ranked" : ""} have been measured on`;
}

const leads = (each: Standing) => each.paired!.worse > each.paired!.better;
