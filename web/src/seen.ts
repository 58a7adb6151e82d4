// Who has seen the phonons of which crystals in training: † beside names wherever potentials are compared on them.
import type { Page } from "./contract";

export const DAGGER = "†";

export interface SeenSome {
  /** How many materials. */
  n: number;
  /** How they were seen: train, val, … */
  how: ReadonlySet<string>;
}

/** Potentials, by their places, that have seen materials of some cells. */
export function seenAmong(page: Page, cells: Iterable<number>): Map<number, SeenSome> {
  const found = new Map<number, { n: number; how: Set<string> }>();
  for (const cell of cells) {
    const how = page.cells.seen[cell];
    if (how === null || how === undefined) continue;
    const potential = page.cells.potential[cell]!;
    const some = found.get(potential);
    if (some) (some.n++, some.how.add(how));
    else found.set(potential, { n: 1, how: new Set([how]) });
  }
  return found;
}

/** Their names. */
export function namesOfSeen(page: Page, cells: Iterable<number>): Set<string> {
  return new Set([...seenAmong(page, cells).keys()].map((place) => page.potentials[place]!.name));
}

/** “trained on the phonons of 34 of these 39”. */
export function seenText({ n, how }: SeenSome, of: number): string {
  const done = how.size === 1 && how.has("train") ? "trained on" : how.has("train") ? "trained on or chosen by" : "chosen by";
  return `${done} the phonons of ${n === of ? (of === 1 ? "this crystal" : `all ${of}`) : `${n} of these ${of}`}`;
}

/** Materials that any of some potentials has seen, by their places. */
export function seenMaterials(page: Page, potentials: readonly boolean[]): boolean[] {
  const seen = page.materials.map(() => false);
  page.cells.seen.forEach((each, cell) => {
    if (each !== null && potentials[page.cells.potential[cell]!]) seen[page.cells.material[cell]!] = true;
  });
  return seen;
}
