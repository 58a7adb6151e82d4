// Which cells filters leave, and what they leave to choose from.
import type { Column, Page } from "./contract";
import { compositionOf } from "./formula";
import { seenMaterials } from "./seen";
import type { View } from "./state";

export type Filter = "elements" | "groups" | "potentials" | "classes" | "seen" | "text" | "only";

/** Places of the cells that the filters leave, without the ones named. */
export function selectCells(page: Page, view: View, without: readonly Filter[] = []): number[] {
  const uses = (filter: Filter) => !without.includes(filter);
  const materials = keptMaterials(page, view, uses);
  const potentials = keptPotentials(page, uses("potentials") ? view.potentials : []);
  // Of crystals, not of cells: all potentials on show are compared on the same ones.
  const seen = uses("seen") && view.seen !== "all" ? seenMaterials(page, keptPotentials(page, view.potentials)) : null;
  const words = uses("text") ? wordsOf(view.text) : [];
  const texts = page.materials.map((each) =>
    [each.name, each.formula, each.group, each.group_name].join("\n").toLowerCase(),
  );
  const compositions = words.some((each) => each.composition) ? page.materials.map((each) => compositionOf(each.formula)) : [];
  const names = page.potentials.map((each) => each.name.toLowerCase());
  const classes = uses("classes") ? Object.entries(view.classes).filter(([name]) => page.cells.values[name]) : [];
  const { material, potential, values } = page.cells;
  const found: number[] = [];
  for (let i = 0; i < material.length; i++) {
    const [m, p] = [material[i]!, potential[i]!];
    if (!materials[m] || !potentials[p]) continue;
    if (seen && seen[m] !== (view.seen === "seen")) continue;
    if (!classes.every(([name, kept]) => kept.includes(classText(values[name]![i]!)))) continue;
    if (!words.every(({ word, composition }) => texts[m]!.includes(word) || names[p]!.includes(word) || (composition && composition === compositions[m]))) continue;
    found.push(i);
  }
  return found;
}

const wordsOf = (text: string) => text.split(/\s+/).filter(Boolean).map((word) => ({ word: word.toLowerCase(), composition: compositionOf(word) }));

function keptMaterials(page: Page, view: View, uses: (filter: Filter) => boolean): boolean[] {
  const elements = uses("elements") ? view.elements : [];
  const groups = new Set(uses("groups") ? view.groups : []);
  const only = new Set(uses("only") ? view.only : []);
  return page.materials.map((each) => {
    if (groups.size && !groups.has(each.group)) return false;
    if (only.size && !only.has(each.name)) return false;
    const has = (element: string) => each.elements.includes(element);
    return !elements.length || (view.anyElement ? elements.some(has) : elements.every(has));
  });
}

function keptPotentials(page: Page, names: readonly string[]): boolean[] {
  return page.potentials.map((each) => !names.length || names.includes(each.name));
}

/** A class as it stands in the address. */
export function classText(value: number | string | boolean | null): string {
  return value === null ? "" : String(value);
}

const MOST_CLASSES = 12;

/** Columns of texts and flags that tell few classes apart, with their values. */
export function classColumns(page: Page): { column: Column; values: string[] }[] {
  return page.columns.flatMap((column) => {
    if (column.kind === "number") return [];
    const values = [...new Set(page.cells.values[column.name]?.map(classText))].filter(Boolean).sort();
    return values.length > 1 && values.length <= MOST_CLASSES ? [{ column, values }] : [];
  });
}

/** How many materials there are among some cells, by a key of theirs. */
export function countMaterials(page: Page, cells: readonly number[], keys: (cell: number) => readonly string[]): Map<string, number> {
  const found = new Map<string, Set<number>>();
  for (const cell of cells)
    for (const key of keys(cell)) {
      const some = found.get(key);
      if (some) some.add(page.cells.material[cell]!);
      else found.set(key, new Set([page.cells.material[cell]!]));
    }
  return new Map([...found].map(([key, some]) => [key, some.size]));
}

/** How many cells there are of each key: a material's may have several. */
export function countCells(cells: readonly number[], key: (cell: number) => string): Map<string, number> {
  const found = new Map<string, number>();
  for (const cell of cells) found.set(key(cell), (found.get(key(cell)) ?? 0) + 1);
  return found;
}

export function nMaterials(page: Page, cells: readonly number[]): number {
  return new Set(cells.map((cell) => page.cells.material[cell]!)).size;
}

/** Columns that potentials may be compared by; without a reference, those of what potentials say. */
export function metrics(page: Page): Column[] {
  const numbers = page.columns.filter((each) => each.kind === "number");
  const judged = numbers.filter((each) => each.better !== null);
  if (judged.some((each) => !isCost(each))) return judged; // what is cheap alone is no answer
  return numbers.filter((each) => each.main && !isCost(each));
}

const isCost = (column: Column) => column.chapter.toLowerCase() === "cost";

export function metricOf(page: Page, name: string): Column | null {
  const all = metrics(page);
  return all.find((each) => each.name === name) ?? all.find((each) => each.better === "low" && !isCost(each)) ?? all[0] ?? null;
}

/** Errors of a column: small is good, a failure infinitely bad, NaN what is not known. */
export function errorsOf(page: Page, column: Column): Float64Array {
  const { state, values } = page.cells;
  return Float64Array.from(values[column.name] ?? [], (value, i) => {
    if (typeof value === "number") return column.better === "target" ? Math.abs(value - (column.target ?? 0)) : value;
    return state[i] === "failed" ? Infinity : NaN;
  });
}
