// What a potential gets wrong on a material, in sentences made from the numbers.

import { told } from "../charts/told";
import { columnText, listed, number, unitOf } from "../format";
import type { Column, Mode, Page } from "../contract";
import { concentrationOf, differenceOf, frequencyText, lowestOf, placeOf, unstable, type Path, type Spectrum } from "./bands";
import { kinOf, sameFunctional, type Kin } from "./kin";
import { movement } from "./mode";
import { isError, rankOf, rankText } from "./rank";
import { stretchOf } from "./stretch";

/** Cell of a material with a potential; −1: none. */
export function cellOf(page: Page, material: number, potential: number): number {
  return page.cells.material.findIndex((one, cell) => one === material && page.cells.potential[cell] === potential);
}

/** Columns shown at first that hold numbers that are good or bad. */
export function judged(page: Page): Column[] {
  return page.columns.filter((column) => column.main && isError(column));
}

/** What is said of a potential on a material: first in a few sentences, then what else is wrong, and what is right. */
export interface Told {
  lead: string[];
  /** That crystals with an element in common are wrong, too. */
  kin: Kin | null;
  wrong: string[];
  right: string[];
}

type Sides = Pick<Told, "wrong" | "right">;

export function reasons(page: Page, cell: number, potential: string, path: Path | null, modes: readonly Mode[]): Told {
  const state = page.cells.state[cell];
  if (state === "failed") {
    const failure = page.failures.find((one) => one.material === page.cells.material[cell] && one.potential === page.cells.potential[cell]);
    return { lead: [`It failed${failure ? `: ${failure.reason}` : "."}`], kin: null, wrong: [], right: [] };
  }
  if (cell < 0 || state === "pending") return { lead: ["It has not been computed yet."], kin: null, wrong: [], right: [] };
  const main = mainError(page, cell);
  const own = modes.filter((mode) => mode.potential === potential);
  const spectrum = path?.potentials.find((one) => one.potential === potential);
  const said = columnsTold(page, cell, main);
  const stability = path && spectrum ? stabilityTold(page, cell, path, spectrum) : null;
  return {
    lead: [
      ...(main ? [sizeTold(page, cell, main)] : []),
      ...(path && spectrum ? bandsTold(path, spectrum, own) : []),
      ...functionalTold(page, cell, main),
      ...(main ? scaleTold(page, cell, main) : []),
    ],
    kin: main && kinOf(page, main, cell),
    wrong: [...(stability?.wrong ?? []), ...said.wrong, ...(path && spectrum ? worstTold(path, spectrum, own) : [])],
    right: [...(stability?.right ?? []), ...said.right],
  };
}

/** The column by which the potential is judged first: the page's first error that the cell has. */
export function mainError(page: Page, cell: number): Column | null {
  return judged(page).find((column) => column.better === "low" && typeof page.cells.values[column.name]?.[cell] === "number") ?? null;
}

/** How wrong, beside other crystals. */
function sizeTold(page: Page, cell: number, column: Column): string {
  const rank = rankOf(page, column, cell);
  return `${told(column.label, page.cells.values[column.name]![cell] as number)}${rank ? `, ${rankText(rank)}` : ""}.`;
}

/** Squares add up: of the error what one factor for all ω² would mend, and what it would not. */
function scaleTold(page: Page, cell: number, column: Column): string[] {
  const whole = page.cells.values[column.name]![cell] as number;
  const rest = /_w2_THz2$/.test(column.name) ? page.cells.values[column.name.replace("_w2_", "_w2_rest_")]?.[cell] : null;
  const slope = page.cells.values[column.name.replace(/rmse_w2_THz2$/, "softening")]?.[cell];
  if (typeof rest !== "number" || !(rest <= whole) || !whole) return [];
  const off = typeof slope !== "number" || Math.abs(slope - 1) < 0.005 ? "" : ` (it is ${number(100 * Math.abs(1 - slope), 2)} % too ${slope < 1 ? "small" : "large"} as a whole)`;
  return [`One factor for all ω²${off} would mend ${Math.round(100 * (1 - rest ** 2 / whole ** 2)) || 0} % of the squared error.`];
}

/** Which bands, what moves in them, on which side. */
function bandsTold(path: Path, spectrum: Spectrum, modes: readonly Mode[]): string[] {
  const main = concentrationOf(path, spectrum);
  if (!main) return [];
  const spread = main.to - main.from < 0.05 ? frequencyText(main.from) : `${frequencyText(main.from).replace(" THz", "")} to ${frequencyText(main.to)}`;
  const side = Math.abs(main.bias) < 0.05 ? ", on both sides" : `, on average ${number(Math.abs(main.bias), 2)} THz too ${main.bias < 0 ? "low" : "high"}`;
  const said = `${Math.round(100 * main.share)} % of the squared error of ω² lies in ${main.bands} of ${main.n} bands (reference: ${spread})${side}.`;
  const inside = modes.find(({ frequency_reference: at }) => at !== null && at > main.from - 0.2 && at < main.to + 0.2);
  return [inside ? `${said} There ${movement(inside)}${stretchTold(inside)}` : said];
}

function stretchTold(mode: Mode): string {
  const stretch = stretchOf(mode);
  if (!stretch || stretch.along < 0.6) return "";
  return ` It stretches ${listed(stretch.pairs.map((pair) => pair.join("–")))} bonds.`;
}

/** What potential and reference were computed with, where that differs, and whether it explains anything. */
function functionalTold(page: Page, cell: number, main: Column | null): string[] {
  const functional = functionalOf(page.potentials[page.cells.potential[cell]!]!.functional);
  const reference = functionalOf(page.materials[page.cells.material[cell]!]!.reference);
  if (!functional || !reference || functional === reference) return [];
  const value = main && page.cells.values[main.name]![cell];
  const other = main && main.better === "low" ? sameFunctional(page, main, cell) : null;
  if (other && typeof value === "number" && other.value < value / 2)
    return [`Its functional is no reason: ${other.name}, trained on ${functional} as well, has ${number(other.value)} here.`];
  return [`It was trained on ${functional}, the reference is ${reference}: a part of the difference may be the functional’s.`];
}

const FUNCTIONAL = /(?:^|[\s,(])((?:PBEsol|PBE0|PBE|r2SCAN|SCAN|LDA|HSE\w*|B3LYP|AM05)(?:\+U|[-+]D\d\w*)?)(?=$|[\s,)])/i;

/** “phonondb, PBEsol” and “PBEsol (CP2K)”: PBEsol; empty where no functional is named. */
export const functionalOf = (reference: string): string => FUNCTIONAL.exec(reference)?.[1] ?? "";

/** Right is what is near its target, or better than on three quarters of the other crystals; wrong what is worst first. */
function columnsTold(page: Page, cell: number, main: Column | null): Sides {
  const all = judged(page).flatMap((column) => {
    const value = page.cells.values[column.name]?.[cell];
    if (typeof value !== "number" || column === main) return [];
    const rank = rankOf(page, column, cell);
    const target = column.better === "target" ? column.target : null;
    const there = atOwnTold(page, cell, column, main);
    const side = target === null ? "" : targetText(value, target, /softening/.test(column.name));
    const right = !there && ((target !== null && Math.abs(value - target) <= nearOf(column) * Math.max(1, Math.abs(target))) || (rank !== null && rank.worse < 0.25));
    return [{ right, worse: rank?.worse ?? 0, text: `${told(column.label, value, columnText(column, value))}${side}${there || (rank ? `, ${rankText(rank)}` : "")}.` }];
  });
  all.sort((a, b) => b.worse - a.worse);
  const of = (right: boolean) => all.filter((each) => each.right === right).map(({ text }) => text);
  return { wrong: of(false).slice(0, 4), right: of(true).slice(0, 4) };
}

/** A lattice is not right at which the error is half as large again; empty where it is not. */
function atOwnTold(page: Page, cell: number, column: Column, main: Column | null): string {
  if (!main || !column.name.startsWith("lattice_ratio")) return "";
  const [here, own] = [main.name, `${main.name}_at_own`].map((name) => page.cells.values[name]?.[cell]);
  if (typeof here !== "number" || typeof own !== "number" || own < 1.5 * here) return "";
  const [label, unit] = unitOf(main.label);
  return `: relaxed to that, its ${label.replace(/, .*/, "")} is ${number(own)} instead of ${number(here)}${unit ? ` ${unit}` : ""}`;
}

/** As near to its target as that a value is right: lattices are known better than slopes. */
const nearOf = ({ name }: Column): number => (/softening/.test(name) ? 0.02 : 0.005);

function targetText(value: number, target: number, softening: boolean): string {
  if (Math.abs(value - target) < 0.005 * Math.max(1, Math.abs(target))) return ` (as it should be: ${number(target)})`;
  return ` (${value < target ? "below" : "above"} ${number(target)}${softening ? (value < target ? ": too soft" : ": too stiff") : ""})`;
}

/** Whether it calls the crystal stable as the reference does, and an instability as deep: as tables and verdict have it, where they do. */
function stabilityTold(page: Page, cell: number, path: Path, spectrum: Spectrum): Sides {
  const low = lowestOf(spectrum);
  const agree = ["mesh", "path"].map((where) => page.cells.values[`${where}_stability_agrees`]?.[cell]).find((each) => typeof each === "boolean");
  const is = (falls: boolean): string => (falls ? "unstable" : "stable");
  if (!path.reference) {
    const own = unstable(low.frequency, spectrum.noise);
    return { wrong: [`Lowest mode along the path: ${frequencyText(low.frequency)} ${placeOf(path, low.at)}: ${is(own)}.`], right: [] };
  }
  const other = lowestOf(path.reference);
  const [own, fact] = stabilities(low.frequency, other.frequency, agree) ?? [unstable(low.frequency, spectrum.noise), unstable(other.frequency, path.reference.noise)];
  const at = (lowest: typeof low, falls: boolean) => `${frequencyText(lowest.frequency)}${falls ? ` ${placeOf(path, lowest.at)}` : ""}`;
  const both = `the lowest mode on the path is ${at(low, own)}, in the reference ${at(other, fact)}`;
  if (own !== fact) return { wrong: [`It calls the crystal ${is(own)}, the reference ${is(fact)}: ${both}.`], right: [] };
  const right = [`It calls the crystal ${is(own)}, as the reference does${own ? "" : `: ${both}`}.`];
  const factor = low.frequency / other.frequency;
  if (!own || Math.abs(factor - 1) < 0.1) return { wrong: [], right: own ? [`${right[0]!.slice(0, -1)}: ${both}.`] : right };
  return { wrong: [`The instability is ${factor > 1 ? "overdone" : "underdone"}: ${both}.`], right };
}

/** Which of potential and reference is unstable, from whether they agree; null where that is not known. */
function stabilities(low: number, other: number, agree: boolean | undefined): [boolean, boolean] | null {
  if (agree === undefined) return null;
  return agree ? [low < -0.05 && other < -0.05, low < -0.05 && other < -0.05] : [low < other, other < low];
}

function worstTold(path: Path, spectrum: Spectrum, modes: readonly Mode[]): string[] {
  const worst = differenceOf(path, spectrum)?.worst;
  if (!worst) return [];
  // Where the error is as large at several places, the mode that is animated says which: both are told of alike.
  const mode = modes.find(({ role, q_label, frequency_model }) => /largest error/.test(role) && q_label && frequency_model !== null);
  const same = mode && Math.abs(mode.frequency_model! - worst.model) < 0.05 && Math.abs(mode.frequency_reference! - worst.reference) < 0.05;
  return [`Largest error of ω² ${same ? `at ${mode.q_label}` : placeOf(path, worst.at)}: ${frequencyText(worst.model)} instead of ${frequencyText(worst.reference)}.`];
}
