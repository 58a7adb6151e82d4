// One colour, one meaning: a hue is a potential, by its place in the study; a shape is a group.
import type { Page } from "./contract";

/** Colours of style.css, in the order of softmode's palette; they repeat. */
export const N_HUES = 12;

export const SHAPES = ["circle", "square", "triangle", "diamond", "triangle2", "cross", "times"] as const;
export type Shape = (typeof SHAPES)[number];

export const INK = "var(--ink)";

/** CSS colour of a potential; ink for the reference and for what is of no potential of the page. */
export function colourOf(page: Page, potential: string | null): string {
  const place = potential === null ? -1 : page.potentials.findIndex((each) => each.name === potential);
  return place < 0 ? INK : `var(--potential-${place % N_HUES})`;
}

const HALIDES = ["F", "Cl", "Br", "I"];

/** Groups with their readable names: halides from light to heavy, then the others by their keys, as softmode.style has them. */
export function groupsOf(page: Page): Map<string, string> {
  const found = new Map<string, string>();
  for (const each of page.materials) if (!found.has(each.group)) found.set(each.group, each.group_name);
  const place = (key: string) => (HALIDES.includes(key) ? HALIDES.indexOf(key) : HALIDES.length);
  return new Map([...found].sort(([a], [b]) => place(a) - place(b) || (a < b ? -1 : 1)));
}

export function shapeOf(page: Page, group: string): Shape {
  const place = [...groupsOf(page).keys()].indexOf(group);
  return SHAPES[Math.max(place, 0) % SHAPES.length]!;
}
