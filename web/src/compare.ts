// Which potential for the cells that filters leave, and how sure that is.
import type { Column, Page } from "./contract";
import { count, estimate, listed, number, probability, unitOf, type Estimate } from "./format";
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
  /** Tests that p-values are corrected for: of all pairs, and others of the page. */
  nTests: number;
  /** Of those that have seen none of the materials the best, and the others beside it; null where the leader is one. */
  unseen: { best: Standing; others: Standing[] } | null;
}

/** Column that tells on which side potentials err: the one with a target in the chapter of the errors. */
export function biasOf(page: Page, column: Column): Column | null {
  const sided = page.columns.filter((each) => each.better === "target" && each.name !== column.name);
  return sided.find((each) => each.chapter === column.chapter && each.main) ?? sided.find((each) => each.main) ?? null;
}

/** p-values of the page’s other tests, which those of all materials are corrected with, as in the verdict. */
export function otherTests(page: Page, column: Column): readonly number[] {
  for (const { charts } of page.panels) for (const each of charts) if (each.kind === "heat" && each.of === column.name) return each.others ?? [];
  return [];
}

/** `others`: p-values of other tests that these are corrected with. */
export function compare(page: Page, cells: readonly number[], column: Column, others: readonly number[] = []): Comparisons {
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
  return { column, biasColumn, nMaterials: shared.size, nAny, ...withPairs(page, standings, errors, column, shared.size > 0, others) };
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

/** Potentials beside the leader, and those that have seen nothing beside the best of them; p-values after Holm for all pairs. */
function withPairs(page: Page, standings: (Standing & { own: number[] })[], errors: Float64Array, column: Column, comparable: boolean, others: readonly number[]) {
  const of: Errors[] = standings.map(({ own }) => new Map(own.map((cell) => [page.cells.material[cell]!, errors[cell]!])));
  const signed = !comparable || column.better === null || standings.some((each) => each.own.some((cell) => errors[cell]! < 0));
  const pairs = signed ? [] : of.flatMap((one, i) => of.slice(i + 1).map((other, k) => ({ i, j: i + 1 + k, ...comparePaired(...common(one, other)) })));
  if (column.better === "high") for (const each of pairs) [each.better, each.worse] = [each.worse, each.better];
  const tested = pairs.filter((each) => each.p !== null);
  const corrected = holm([...tested.map((each) => each.p!), ...others]);
  const beside = (i: number, j: number): Standing => {
    const { potential, n, failed, median, bias, seen, few } = standings[j]!;
    const paired = pairs.find((each) => each.i === i && each.j === j);
    const at = paired ? tested.indexOf(paired) : -1;
    return { potential, n, failed, median, bias, seen, few, paired: paired?.n ? paired : null, p: at < 0 ? null : corrected[at]! };
  };
  const rows = standings.map((_, j) => beside(0, j));
  const fair = standings.flatMap((each, j) => (!each.seen && !each.few && Number.isFinite(each.median.value) ? [j] : []));
  const unseen = fair.length && fair[0] !== 0 ? { best: beside(0, fair[0]!), others: fair.slice(1).map((j) => beside(fair[0]!, j)) } : null;
  return { rows, nTests: tested.length + (tested.length ? others.length : 0), unseen };
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
export function answer(page: Page, found: Comparisons): string[] {
  const { column, nMaterials: n, nAny, rows, unseen } = found;
  const name = (each: Standing) => page.potentials[each.potential]!.name + (each.seen ? DAGGER : "");
  const [leader, ...others] = rows;
  if (!leader) return ["No cell with this figure is left."];
  if (column.better === null) return []; // neither good nor bad
  if (!n) return ["What is left holds no material that all potentials have been measured on: their medians are of different crystals and rank nothing."];
  const [label, unit] = unitOf(column.label);
  const figure = column.better === "target" ? `distance of ${label} from ${number(column.target)}` : label;
  const measured = (each: Standing) => `${estimate(each.median)}${unit ? ` ${unit}` : ""}`;
  if (!Number.isFinite(leader.median.value)) return [`Every potential failed on what is left.`];
  if (!others.length) return [`${name(leader)} alone is left: ${n === 1 ? "" : "median "}${measured(leader)} (${figure}; ${count(leader.n, "material")})${leader.seen ? `: it was ${seenText(leader.seen, n)}` : ""}.`];
  const best = column.better === "high" ? "largest" : "smallest";
  const first = `${name(leader)} has the ${best} ${n === 1 ? "value" : "median"}, ${measured(leader)} (${figure}; ${materials(n, nAny, rows)})${leader.seen ? `: it was ${seenText(leader.seen, n)}` : ""}.`;
  const level = (some: Standing[]) => some.filter((each) => !(each.p !== null && each.p < 0.05 && leads(each)));
  const alike = (some: Standing[]) => listed(some.map((each, i) => `${name(each)}${i || column.better === "high" ? "" : besideText(each, found.nTests)}`));
  const tied = n < FEWEST || !unseen ? [] : level(unseen.others);
  const fair = !leader.seen
    ? []
    : [unseen ? `Of those that have seen none of them, ${name(unseen.best)} has the ${best}, ${measured(unseen.best)}${tied.length ? `; not told apart from it: ${alike(tied)}` : ""}.` : `None of the others has seen none of them.`];
  if (n < FEWEST)
    return [first, ...fair, n === 1 ? "One material ranks no potentials." : `${n} materials do not say how sure that is: there is neither interval nor test below ${FEWEST}.`];
  const open = level(others);
  const apart = others.filter((each) => !open.includes(each));
  if (!apart.length) return [first, ...fair, `No other is told apart from ${name(leader)}${open.length ? `: ${alike(open)}` : ""} (sign tests by material, after Holm, p ≥ 0.05).`];
  const sure = `${name(leader)} is better than ${listed(apart.map(name))} (sign tests, p < 0.05 after Holm)`;
  return [first, ...fair, open.length ? `${sure}; not told apart from it: ${alike(open)}.` : `${sure}.`];
}

/** “ (1.09 [1.01, 1.21] times its error, smaller on 12 of 39; p = 0.50 of 55 tests)”; p where the interval seems to say more. */
function besideText({ paired, p }: Standing, nTests: number): string {
  if (!paired) return "";
  const { ratio, better, n } = paired;
  const alone = p !== null && nTests > 1 && excludesOne(ratio) ? `; p = ${probability(p)} of ${nTests} tests` : "";
  return ` (${estimate(ratio)} times its error, smaller on ${better} of ${n}${alone})`;
}

/** Whether an interval of a ratio, of its pair alone, excludes that both are alike. */
export const excludesOne = ({ low, high }: Estimate): boolean => low !== null && high !== null && !(low <= 1 && high >= 1);

/** Which potential is best at the lattice that each relaxes crystals to, where that has been measured. */
export function answerAtOwn(page: Page, cells: readonly number[], found: Comparisons): string[] {
  const column = page.columns.find((each) => each.name === `${found.column.name}_at_own` && each.better === "low");
  const leader = found.rows[0];
  if (!column || !leader || found.nMaterials < FEWEST) return [];
  const own = compare(page, cells, column);
  const [first, ...others] = own.rows;
  if (!first || !others.length || own.nMaterials < FEWEST) return [];
  const name = (each: Standing) => page.potentials[each.potential]!.name + (each.seen ? DAGGER : "");
  const unit = unitOf(column.label)[1];
  const wanted = [leader.potential, found.unseen?.best.potential];
  const beside = others.filter((each) => wanted.includes(each.potential)).map((each) => `${name(each)} ${number(each.median.value)}${each.p !== null && each.p < 0.05 && leads(each) ? "" : " (not told apart)"}`);
  return [`Relaxed, at the lattice of each potential: ${name(first)} has the smallest, ${estimate(first.median)}${unit ? ` ${unit}` : ""}${beside.length ? `; ${listed(beside)}` : ""}.`];
}

/** How many materials, and why not all. */
function materials(n: number, nAny: number, rows: readonly Standing[]): string {
  if (n === nAny) return count(n, "material");
  const ranked = rows.filter((each) => !each.few).length;
  return `the ${n} of ${count(nAny, "material")} that all ${ranked}${ranked < rows.length ? " ranked" : ""} have been measured on`;
}

const leads = (each: Standing) => each.paired!.worse > each.paired!.better;
