// What a potential gets wrong on a material, in sentences made from the numbers.

import { told } from "../charts/told";
import { number } from "../format";
import type { Column, Mode, Page } from "../contract";
import { concentrationOf, differenceOf, frequencyText, lowestOf, placeOf, unstable, type Path } from "./bands";
import { movement } from "./mode";
import { isError, rankOf, rankText } from "./rank";

/** Cell of a material with a potential; −1: none. */
export function cellOf(page: Page, material: number, potential: number): number {
  return page.cells.material.findIndex((one, cell) => one === material && page.cells.potential[cell] === potential);
}

/** Columns shown at first that hold numbers that are good or bad. */
export function judged(page: Page): Column[] {
  return page.columns.filter((column) => column.main && isError(column));
}

/** Sentences on a potential, the most telling first. */
export function reasons(page: Page, cell: number, potential: string, path: Path | null, modes: readonly Mode[]): string[] {
  const state = page.cells.state[cell];
  if (state === "failed") {
    const failure = page.failures.find((one) => one.material === page.cells.material[cell] && one.potential === page.cells.potential[cell]);
    return [`It failed${failure ? `: ${failure.reason}` : "."}`];
  }
  if (cell < 0 || state === "pending") return ["It has not been computed yet."];
  return [
    ...columnReasons(page, cell),
    ...(path ? bandReasons(path, potential) : []),
    ...modes.filter((mode) => mode.potential === potential).slice(0, 1).map((mode) => `What moves (${mode.role}${mode.q_label ? `, ${mode.q_label}` : ""}): ${movement(mode)}`),
  ];
}

/** What is worst, compared with other materials, stands first. */
function columnReasons(page: Page, cell: number): string[] {
  const said = judged(page).flatMap((column) => {
    const value = page.cells.values[column.name]?.[cell];
    if (typeof value !== "number") return [];
    const rank = rankOf(page, column, cell);
    const side = column.better === "target" && column.target !== null ? targetText(value, column.target, /softening/.test(column.name)) : "";
    return [{ worse: rank?.worse ?? 0, text: `${told(column.label, value)}${side}${rank ? `, ${rankText(rank)}` : ""}.` }];
  });
  return said.sort((a, b) => b.worse - a.worse).slice(0, 5).map(({ text }) => text);
}

function targetText(value: number, target: number, softening: boolean): string {
  if (Math.abs(value - target) < 0.005 * Math.max(1, Math.abs(target))) return ` (as it should be: ${number(target)})`;
  return ` (${value < target ? "below" : "above"} ${number(target)}${softening ? (value < target ? ": too soft" : ": too stiff") : ""})`;
}

function bandReasons(path: Path, potential: string): string[] {
  const spectrum = path.potentials.find((one) => one.potential === potential);
  if (!spectrum) return [];
  const said: string[] = [];
  const low = lowestOf(spectrum);
  const other = path.reference && lowestOf(path.reference);
  const is = (falls: boolean): string => (falls ? "unstable" : "stable");
  const own = unstable(low.frequency, spectrum.noise);
  if (other) {
    const fact = unstable(other.frequency, path.reference!.noise);
    const ends = `Lowest mode along the path: ${frequencyText(low.frequency)} ${own ? `(${placeOf(path, low.at)}) ` : ""}where the reference has ${frequencyText(other.frequency)}${fact ? ` (${placeOf(path, other.at)})` : ""}`;
    said.push(own === fact ? `${ends}: both say ${is(own)}.` : `${ends}: it calls the crystal ${is(own)}, the reference ${is(fact)}.`);
  } else said.push(`Lowest mode along the path: ${frequencyText(low.frequency)} ${placeOf(path, low.at)}: ${is(own)}.`);
  const main = concentrationOf(path, spectrum);
  if (main) {
    const where = `${main.bands} of ${main.n} bands (reference: ${frequencyText(main.from)} to ${frequencyText(main.to)})`;
    const side = Math.abs(main.bias) < 0.05 ? "" : `, on average ${number(Math.abs(main.bias), 2)} THz too ${main.bias < 0 ? "low" : "high"}`;
    said.push(`${Math.round(100 * main.share)} % of the squared error of ω² lies in ${where}${side}.`);
  }
  const worst = differenceOf(path, spectrum)?.worst;
  if (worst) said.push(`Largest error of ω² ${placeOf(path, worst.at)}: ${frequencyText(worst.model)} instead of ${frequencyText(worst.reference)}.`);
  return said;
}
