// How numbers are written, as softmode.panel writes them.

export const NOTHING = "—";

/** Number with so many significant digits; a dash where there is none. */
export function number(value: number | null | undefined, digits = 3): string {
  if (value === null || value === undefined || Number.isNaN(value)) return NOTHING;
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const size = Math.abs(value);
  const rounded = size >= 10 ** digits && size < 1e7 ? String(Math.round(value)) : plain(Number(value.toPrecision(digits)));
  return rounded.replace("-", "−");
}

/** 1.2 × 10⁻⁷ instead of 1.2e-7. */
function plain(value: number): string {
  if (value !== 0 && Math.abs(value) < 1e-4) {
    const [mantissa, exponent] = value.toExponential().split("e");
    return `${mantissa} × 10${superscript(exponent!)}`;
  }
  return String(value);
}

const superscript = (digits: string) =>
  digits.replace(/[+]/g, "").replace(/[-0-9]/g, (each) => "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"["-0123456789".indexOf(each)]!);

export interface Estimate {
  value: number;
  low: number | null;
  high: number | null;
}

/** Number with its interval where it has one. */
export function estimate(given: Estimate | null, digits = 3): string {
  if (!given || Number.isNaN(given.value)) return NOTHING;
  const shown = number(given.value, digits);
  return given.low === null || given.high === null ? shown : `${shown} [${number(given.low, digits)}, ${number(given.high, digits)}]`;
}

/** A significance. */
export function probability(value: number | null): string {
  if (value === null || Number.isNaN(value)) return NOTHING;
  if (value < 0.001) return "< 0.001";
  return value.toFixed(value < 0.1 ? 3 : 2);
}

export function count(n: number, one: string, many = `${one}s`): string {
  return `${whole(n)} ${n === 1 ? one : many}`;
}

/** 12,345 */
export function whole(n: number): string {
  return String(n).replace(/\B(?=(\d{3})+$)/g, ",");
}

/** A, B and C; of many the first ones and how many more. */
export function listed(names: readonly string[], most = 5): string {
  const shown = names.length > most + 1 ? [...names.slice(0, most), `${names.length - most} others`] : [...names];
  const last = shown.pop();
  return shown.length ? `${shown.join(", ")} and ${last}` : (last ?? "");
}

/** Value of a column as text. */
export function valueText(value: number | string | boolean | null | undefined): string {
  if (value === null || value === undefined || value === "") return NOTHING;
  if (typeof value === "boolean") return value ? "yes" : "no";
  return typeof value === "number" ? number(value) : value;
}

/** Frequencies nearer to zero than this, THz, are zero: acoustic modes at Γ. */
const ZERO = 1e-3;

/** A frequency, imaginary ones with an i as on the axes of bands. */
export function frequency(value: number): string {
  return Math.abs(value) < ZERO ? "0" : value < 0 ? `${number(-value)}i` : number(value);
}

interface Described {
  name: string;
  label: string;
  kind: string;
  better: string | null;
}

/** Digits in which a column's values differ: lattices differ in the third and fourth. */
export const digitsOf = ({ name }: Pick<Described, "name">) => (name.startsWith("lattice_ratio") ? 4 : 3);

/** Columns of frequencies of modes; margins, noises and differences have signs of their own. */
const FREQUENCY = /lowest|largest|mean_frequency|_mode_(model|reference)/;

/** Value of a column as its kind is written. */
export function columnText(column: Described, value: number | string | boolean | null | undefined): string {
  if (typeof value !== "number") return valueText(value);
  if (FREQUENCY.test(column.name) && column.better === null && unitOf(column.label)[1] === "THz") return frequency(value);
  return number(value, digitsOf(column));
}

/** Texts of tables and sentences with true minus signs, and percent signs that no line break parts from their number. */
export function typeset(text: string): string {
  return text.replace(/(^|[\s[(…±,;/])-(?=\d)/g, "$1−").replace(/(\d) %/g, "$1\u00a0%");
}

const UNIT = /^(?:[mk]?eV|k?J|THz|Å|K|[mpf]?s|GPa|%|cm|W)(?![a-z])/;

/** What a label says, and its unit apart: "RMSE(ω²), THz², path" → ["RMSE(ω²), path", "THz²"]. */
export function unitOf(label: string): [string, string] {
  const parts = label.split(", ");
  const unit = parts.findIndex((each, i) => i > 0 && UNIT.test(each));
  return unit < 0 ? [label, ""] : [parts.filter((_, i) => i !== unit).join(", "), parts[unit]!];
}

/** Lines of CSV whose texts no spreadsheet takes for formulas: an apostrophe stands before such. */
export function csv(rows: readonly (readonly (number | string | boolean | null | undefined)[])[]): string {
  return rows.map((row) => row.map(field).join(",")).join("\n") + "\n";
}

function field(value: number | string | boolean | null | undefined): string {
  if (value === null || value === undefined) return "";
  if (typeof value !== "string") return String(value);
  const harmless = /^[=+\-@\t\r]/.test(value) && !/^[+-]?[\d.]+([eE][+-]?\d+)?( \[[^=@|!(]*\])?$/.test(value) ? `'${value}` : value;
  return /[",\n\r]/.test(harmless) ? `"${harmless.replace(/"/g, '""')}"` : harmless;
}
