// Whether a potential is wrong on crystals that have an element in common, or a functional: what a reason may be.

import { number, unitOf } from "../format";
import type { Column, Page } from "../contract";
import { errorsFor } from "./rank";

/** Fewer crystals with an element than this say nothing of it; a group of fewer is no crowd. */
const FEWEST = 3;
const CROWD = 12;
/** Beyond chance: if crystals had their ranks at random, so bad a share of them for any of their elements. */
const CHANCE = 0.01;
const WORST = 0.25;

export interface Kin {
  text: string;
  /** Elements in common. */
  elements: string[];
}

/** Elements of a crystal with all of whose crystals a potential is among the worst; null where there is none. */
export function kinOf(page: Page, column: Column, cell: number): Kin | null {
  const { material, potential } = page.cells;
  const own = page.materials[material[cell]!]!;
  const errors = errorsFor(page, column);
  const all = material.flatMap((_, other) => (potential[other] === potential[cell] && Number.isFinite(errors[other]!) ? [other] : []));
  const ofGroup = all.filter((other) => page.materials[material[other]!]!.group === own.group);
  const crowd = ofGroup.length >= CROWD ? ofGroup : all;
  const worst = [...crowd].sort((a, b) => (column.better === "high" ? errors[a]! - errors[b]! : errors[b]! - errors[a]!));
  const found = own.elements.flatMap((element) => {
    const some = worst.flatMap((other, at) => (page.materials[material[other]!]!.elements.includes(element) ? [at] : []));
    const last = some.at(-1)! + 1;
    const share = last / worst.length;
    if (some.length < FEWEST || share > WORST || own.elements.length * share ** some.length > CHANCE) return [];
    return [{ element, some, last, chance: share ** some.length }];
  });
  found.sort((a, b) => a.chance - b.chance);
  const [first] = found;
  if (!first) return null;
  const elements = found.filter((each) => each.some.join() === first.some.join()).map((each) => each.element);
  const values = first.some.map((at) => errors[worst[at]!]!);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const unit = unitOf(column.label)[1];
  const of = crowd === all ? "crystals" : own.group_name || own.group;
  return {
    text: `All ${first.some.length} crystals with ${elements.join(" and ")} are among its ${first.last} worst of ${worst.length} ${of} (${number(low)} to ${number(high)}${unit ? ` ${unit}` : ""}).`,
    elements,
  };
}

/** Of the potentials trained on the same functional, and not on this crystal, the one with the smallest error here. */
export function sameFunctional(page: Page, column: Column, cell: number): { name: string; value: number } | null {
  const { material, potential, seen } = page.cells;
  const functional = page.potentials[potential[cell]!]!.functional;
  const errors = errorsFor(page, column);
  let best: { name: string; value: number } | null = null;
  material.forEach((one, other) => {
    const there = page.potentials[potential[other]!]!;
    if (one !== material[cell] || other === cell || seen[other] !== null || there.functional !== functional || !Number.isFinite(errors[other]!)) return;
    if (!best || errors[other]! < best.value) best = { name: there.name, value: errors[other]! };
  });
  return best;
}
