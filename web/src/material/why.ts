// What a potential gets wrong on a material, in sentences made from the numbers.

import { told } from "../charts/told";
import { columnText, number } from "../format";
import type { Column, Mode, Page } from "../contract";
import { concentrationOf, differenceOf, frequencyText, lowestOf, placeOf, unstable, type Path, type Spectrum } from "./bands";
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
  wrong: string[];
  right: string[];
}

export function reasons(page: Page, cell: number, potential: string, path: Path | null, modes: readonly Mode[]): Told {
  const state = page.cells.state[cell];
  if (state === "failed") {
    const failure = page.failures.find((one) => one.material === page.cells.material[cell] && one.potential === page.cells.potential[cell]);
    return { lead: [`It failed${failure ? `: ${failure.reason}` : "."}`], wrong: [], right: [] };
  }
  if (cell < 0 || state === "pending") return { lead: ["It has not been computed yet."], wrong: [], right: [] };
  const main = mainError(page, cell);
  const own = modes.filter((mode) => mode.potential === potential);
  const spectrum = path?.potentials.find((one) => one.potential === potential);
  const said = columnsTold(page, cell, main);
  const stability = path && spectrum ? stabilityTold(path, spectrum) : null;
  return {
    lead: [
      ...(main ? [sizeTold(page, cell, main)] : []),
      ...(path && spectrum ? bandsTold(path, spectrum, own) : []),
      ...functionalTold(page, cell),
    ],
    wrong: [...(stability?.wrong ?? []), ...said.wrong, ...(path && spectrum ? worstTold(path, spectrum) : [])],
    right: [...(stability?.right ?? []), ...said.right],
  };
}

/** The column by which the potential is judged first: the page's first error that the cell has. */
export function mainError(page: Page, cell: number): Column | null {
  return judged(page).find((column) => column.better === "low" && typeof page.cells.values[column.name]?.[cell] === "number") ?? null;
}

/** How wrong, beside other crystals, and of it the common scale and the rest. */
function sizeTold(page: Page, cell: number, column: Column): string {
  const value = page.cells.values[column.name]![cell] as number;
  const rank = rankOf(page, column, cell);
  const rest = /_w2_THz2$/.test(column.name) ? page.cells.values[column.name.replace("_w2_", "_w2_rest_")]?.[cell] : null;
  const slope = page.cells.values[column.name.replace(/rmse_w2_THz2$/, "softening")]?.[cell];
  const parts = typeof rest === "number" && rest <= value ? ` ${scaleTold(value, rest, typeof slope === "number" ? slope : null)}` : "";
  return `${told(column.label, value)}${rank ? `, ${rankText(rank)}` : ""}.${parts}`;
}

/** Squares add up: of the error what one factor for all ω² would mend, and what it would not. */
function scaleTold(whole: number, rest: number, slope: number | null): string {
  const scale = Math.sqrt(whole ** 2 - rest ** 2);
  const off = slope === null || Math.abs(slope - 1) < 0.005 ? "" : ` (ω² ${number(100 * Math.abs(1 - slope), 2)} % too ${slope < 1 ? "small" : "large"} as a whole)`;
  const share = Math.round((100 * scale ** 2) / whole ** 2) || 0;
  return `Of it ${number(scale)} THz² is a common scale${off} and ${number(rest)} THz² the rest, which no factor mends: ${share} % and ${100 - share} % of the squared error.`;
}

/** Which bands, what moves in them, on which side. */
function bandsTold(path: Path, spectrum: Spectrum, modes: readonly Mode[]): string[] {
  const main = concentrationOf(path, spectrum);
  if (!main) return [];
  const spread = main.to - main.from < 0.05 ? frequencyText(main.from) : `${frequencyText(main.from).replace(" THz", "")} to ${frequencyText(main.to)}`;
  const side = Math.abs(main.bias) < 0.05 ? ", on both sides" : `, on average ${number(Math.abs(main.bias), 2)} THz too ${main.bias < 0 ? "low" : "high"}`;
  const said = `${Math.round(100 * main.share)} % of the squared error of ω² lies in ${main.bands} of ${main.n} bands (reference: ${spread})${side}.`;
  const inside = modes.find(({ frequency_reference: at }) => at !== null && at > main.from - 0.2 && at < main.to + 0.2);
  if (!inside) return [said];
  return [said, `There ${movement(inside)}${stretchTold(inside)}`];
}

function stretchTold(mode: Mode): string {
  const stretch = stretchOf(mode);
  if (!stretch || stretch.along < 0.6) return "";
  return ` It is a stretch of ${stretch.pair.join("–")} bonds (${Math.round(100 * stretch.along)} % of the motion of their ends lies along them).`;
}

/** What potential and reference were computed with, where that differs. */
function functionalTold(page: Page, cell: number): string[] {
  const { functional } = page.potentials[page.cells.potential[cell]!]!;
  const reference = functionalOf(page.materials[page.cells.material[cell]!]!.reference);
  if (!functional || !reference || functional === reference) return [];
  return [`It was trained on ${functional}, the reference is ${reference}: a part of the difference may be the functional’s.`];
}

const FUNCTIONAL = /(?:^|[\s,(])((?:PBEsol|PBE0|PBE|r2SCAN|SCAN|LDA|HSE\w*|B3LYP|AM05)(?:\+U|[-+]D\d\w*)?)(?=$|[\s,)])/i;

/** “phonondb, PBEsol” and “PBEsol (CP2K)”: PBEsol; empty where no functional is named. */
export const functionalOf = (reference: string): string => FUNCTIONAL.exec(reference)?.[1] ?? "";

/** Right is what is near its target, or better than on three quarters of the other crystals; wrong what is worst first. */
function columnsTold(page: Page, cell: number, main: Column | null): Omit<Told, "lead"> {
  const all = judged(page).flatMap((column) => {
    const value = page.cells.values[column.name]?.[cell];
    if (typeof value !== "number" || column === main) return [];
    const rank = rankOf(page, column, cell);
    const target = column.better === "target" ? column.target : null;
    const side = target === null ? "" : targetText(value, target, /softening/.test(column.name));
    const right = (target !== null && Math.abs(value - target) <= nearOf(column) * Math.max(1, Math.abs(target))) || (rank !== null && rank.worse < 0.25);
    return [{ right, worse: rank?.worse ?? 0, text: `${told(column.label, value, columnText(column, value))}${side}${rank ? `, ${rankText(rank)}` : ""}.` }];
  });
  all.sort((a, b) => b.worse - a.worse);
  const of = (right: boolean) => all.filter((each) => each.right === right).map(({ text }) => text);
  return { wrong: of(false).slice(0, 4), right: of(true).slice(0, 4) };
}

/** As near to its target as that a value is right: lattices are known better than slopes. */
const nearOf = ({ name }: Column): number => (/softening/.test(name) ? 0.02 : 0.005);

function targetText(value: number, target: number, softening: boolean): string {
  if (Math.abs(value - target) < 0.005 * Math.max(1, Math.abs(target))) return ` (as it should be: ${number(target)})`;
  return ` (${value < target ? "below" : "above"} ${number(target)}${softening ? (value < target ? ": too soft" : ": too stiff") : ""})`;
}

/** Whether it calls the crystal stable as the reference does, and an instability as deep. */
function stabilityTold(path: Path, spectrum: Spectrum): Omit<Told, "lead"> {
  const low = lowestOf(spectrum);
  const own = unstable(low.frequency, spectrum.noise);
  const is = (falls: boolean): string => (falls ? "unstable" : "stable");
  const at = (line: Spectrum, lowest: typeof low) => `${frequencyText(lowest.frequency)}${unstable(lowest.frequency, line.noise) ? ` ${placeOf(path, lowest.at)}` : ""}`;
  if (!path.reference) return { wrong: [`Lowest mode along the path: ${frequencyText(low.frequency)} ${placeOf(path, low.at)}: ${is(own)}.`], right: [] };
  const other = lowestOf(path.reference);
  const fact = unstable(other.frequency, path.reference.noise);
  const both = `the lowest mode on the path is ${at(spectrum, low)}, in the reference ${at(path.reference, other)}`;
  if (own !== fact) return { wrong: [`It calls the crystal ${is(own)}, the reference ${is(fact)}: ${both}.`], right: [] };
  const right = [`It calls the crystal ${is(own)}, as the reference does${own ? "" : `: ${both}`}.`];
  const factor = low.frequency / other.frequency;
  if (!own || Math.abs(factor - 1) < 0.1) return { wrong: [], right: own ? [`${right[0]!.slice(0, -1)}: ${both}.`] : right };
  return { wrong: [`The instability is ${factor > 1 ? "overdone" : "underdone"}: ${both}.`], right };
}

function worstTold(path: Path, spectrum: Spectrum): string[] {
  const worst = differenceOf(path, spectrum)?.worst;
  return worst ? [`Largest error of ω² ${placeOf(path, worst.at)}: ${frequencyText(worst.model)} instead of ${frequencyText(worst.reference)}.`] : [];
}
