// Bands read from a part, and what they say of a potential: its softest mode, its worst band, its worst place.

import type { Bands } from "../contract";
import { decode } from "./packed";

export interface Spectrum {
  /** Name of the potential; null: the reference. */
  potential: string | null;
  /** (bands, q points), THz, imaginary ones negative. */
  frequencies: Float64Array[];
  noise: number | null;
}

export interface Path {
  x: number[];
  ticks: { at: number; label: string }[];
  breaks: number[];
  reference: Spectrum | null;
  potentials: Spectrum[];
}

export function pathOf(bands: Bands): Path {
  return {
    x: bands.x,
    ticks: bands.ticks,
    breaks: bands.breaks,
    reference: bands.reference && { potential: null, frequencies: decode(bands.reference), noise: bands.reference_noise },
    potentials: bands.potentials.map((each) => ({ potential: each.potential, frequencies: decode(each.frequencies), noise: each.noise })),
  };
}

/** Stretches of the path between its breaks, as first and last q point. */
export function stretchesOf(path: Pick<Path, "x" | "breaks">): [number, number][] {
  const starts = [0, ...path.breaks.filter((at) => at > 0 && at < path.x.length)];
  return starts.map((start, n) => [start, (starts[n + 1] ?? path.x.length) - 1]);
}

export interface Lowest {
  frequency: number;
  /** q point. */
  at: number;
}

export function lowestOf(spectrum: Spectrum): Lowest {
  let best: Lowest = { frequency: Infinity, at: 0 };
  for (const band of spectrum.frequencies) band.forEach((frequency, at) => frequency < best.frequency && (best = { frequency, at }));
  return best;
}

/** Whether a frequency is imaginary beyond what is noise. */
export function unstable(frequency: number, noise: number | null): boolean {
  return frequency < -Math.max(noise ?? 0, 0.05);
}

/** Where along the path a q point is: “X”, or “between Γ and X”. */
export function placeOf(path: Path, at: number): string {
  const x = path.x[at] ?? 0;
  const span = (path.x.at(-1) ?? 1) - (path.x[0] ?? 0) || 1;
  const near = path.ticks.find((tick) => Math.abs(tick.at - x) < 0.004 * span);
  if (near) return `at ${near.label}`;
  const after = path.ticks.findIndex((tick) => tick.at > x);
  const before = path.ticks[after - 1];
  return before ? `between ${lastOf(before.label)} and ${firstOf(path.ticks[after]!.label)}` : "on the path";
}

// Where the path breaks a tick has two names: “U|K”.
const lastOf = (label: string): string => label.split(/[|,]/).at(-1)!.trim();
const firstOf = (label: string): string => label.split(/[|,]/)[0]!.trim();

export interface Difference {
  /** Number of the band, from 1, of `n`, and the reference's range of frequencies in it. */
  band: number;
  n: number;
  from: number;
  to: number;
  /** Mean and root mean square of its errors, THz. */
  bias: number;
  rms: number;
  /** Where its error of ω² is largest, and the frequencies there. */
  worst: { at: number; band: number; model: number; reference: number };
}

const squared = (frequency: number): number => frequency * Math.abs(frequency);

/** The band with the largest error of frequencies, and the place with the largest error of ω²; null: not comparable. */
export function differenceOf(path: Path, spectrum: Spectrum): Difference | null {
  const reference = path.reference?.frequencies;
  if (!reference || reference.length !== spectrum.frequencies.length || !reference.length) return null;
  let found: Difference | null = null;
  let worst = { at: 0, band: 1, model: 0, reference: 0 };
  let most = -1;
  reference.forEach((line, place) => {
    const model = spectrum.frequencies[place]!;
    let [sum, squares, from, to] = [0, 0, Infinity, -Infinity];
    line.forEach((frequency, at) => {
      const error = model[at]! - frequency;
      sum += error;
      squares += error * error;
      from = Math.min(from, frequency);
      to = Math.max(to, frequency);
      const far = Math.abs(squared(model[at]!) - squared(frequency));
      if (far > most) [most, worst] = [far, { at, band: place + 1, model: model[at]!, reference: frequency }];
    });
    const rms = Math.sqrt(squares / line.length);
    if (!found || rms > found.rms) found = { band: place + 1, n: reference.length, from, to, bias: sum / line.length, rms, worst };
  });
  return found && { ...(found as Difference), worst };
}

export interface Concentration {
  /** Share of the squared error of ω² that the fewest bands hold which hold three quarters of it. */
  share: number;
  /** How many these are, of how many. */
  bands: number;
  n: number;
  /** Range of the reference's frequencies in them, and mean error of frequencies, THz. */
  from: number;
  to: number;
  bias: number;
}

/** Which bands a potential's error of ω² is made of; null: not comparable, or no error. */
export function concentrationOf(path: Path, spectrum: Spectrum): Concentration | null {
  const reference = path.reference?.frequencies;
  if (!reference || reference.length !== spectrum.frequencies.length) return null;
  const parts = reference.map((line, place) => {
    const model = spectrum.frequencies[place]!;
    const sum = line.reduce((total, frequency, at) => total + (squared(model[at]!) - squared(frequency)) ** 2, 0);
    return { place, sum, bias: line.reduce((total, frequency, at) => total + (model[at]! - frequency) / line.length, 0) };
  });
  const whole = parts.reduce((total, part) => total + part.sum, 0);
  if (!(whole > 0)) return null;
  parts.sort((a, b) => b.sum - a.sum);
  let held = 0;
  const kept = parts.filter((part) => (held < 0.75 * whole ? ((held += part.sum), true) : false));
  const frequencies = kept.flatMap((part) => [...reference[part.place]!]);
  return {
    share: held / whole, bands: kept.length, n: reference.length,
    from: Math.min(...frequencies), to: Math.max(...frequencies),
    bias: kept.reduce((total, part) => total + part.bias, 0) / kept.length,
  };
}

/** A frequency as it is said: imaginary ones with an i, nothing within noise of zero. */
export function frequencyText(frequency: number): string {
  const size = Math.abs(frequency);
  const text = size < 0.005 ? "0" : size >= 10 ? size.toFixed(1) : size.toFixed(2);
  return text === "0" ? "0 THz" : `${text}${frequency < 0 ? "i" : ""} THz`;
}

/** On which side a band's errors lie. */
export function sideOf({ bias, rms }: Pick<Difference, "bias" | "rms">): string {
  return Math.abs(bias) < 0.3 * rms ? "on both sides" : bias < 0 ? "too low" : "too high";
}
