// Scales and their ticks, spelt out: a true minus sign, thousands apart, never 10^x or 1m.

const MINUS = "−";

/** A tick: as few decimals as tell it from its neighbours. */
export function spellTick(value: number): string {
  const text = Math.abs(value) >= 1e15 ? String(Math.abs(value)) : decimal(Number(Math.abs(value).toPrecision(10)));
  return sign(group(text), value < 0);
}

function decimal(value: number): string {
  const text = String(value);
  return text.includes("e") ? value.toFixed(20).replace(/\.?0+$/, "") : text;
}

function group(text: string): string {
  const [whole = "", part] = text.split(".");
  const apart = whole.replace(/\B(?=(\d{3})+$)/g, ",");
  return part === undefined ? apart : `${apart}.${part}`;
}

function sign(text: string, negative: boolean): string {
  return negative && /[1-9]/.test(text) ? MINUS + text : text;
}

export interface Scale {
  domain: [number, number];
  ticks: number[];
  log: boolean;
}

/** A scale with room for all values; ticks lie at round numbers, at least `gap` of `pixels` apart. */
export function scaleFor(values: Iterable<number | null>, log: boolean, pixels: number, gap: number, guides: number[] = []): Scale {
  let low = Infinity;
  let high = -Infinity;
  for (const value of [...guides, ...values]) {
    if (value === null || !Number.isFinite(value) || (log && value <= 0)) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) [low, high] = log ? [0.1, 10] : [0, 1];
  return log ? logScale(low, high, pixels, gap) : linearScale(low, high, pixels, gap);
}

function linearScale(low: number, high: number, pixels: number, gap: number): Scale {
  if (low === high) [low, high] = low === 0 ? [0, 1] : [low - Math.abs(low) / 2, high + Math.abs(high) / 2];
  const margin = 0.04 * (high - low);
  // Nothing is measured below zero if no value is: the axis then ends just there.
  const first = low >= 0 && low - margin < 0 ? -margin / 2 : low - margin;
  const domain: [number, number] = [first, high + margin];
  return { domain, ticks: linearTicks(domain, pixels / gap), log: false };
}

export function linearTicks([low, high]: [number, number], count: number): number[] {
  const step = roundStep((high - low) / Math.max(1, count));
  const ticks: number[] = [];
  for (let place = Math.ceil(low / step - 1e-9); place * step <= high + 1e-9 * step; place++) {
    ticks.push(Number((place * step).toPrecision(12)));
  }
  return ticks;
}

function roundStep(rough: number): number {
  const power = 10 ** Math.floor(Math.log10(rough));
  for (const factor of [1, 2, 5]) if (factor * power >= rough * (1 - 1e-9)) return factor * power;
  return 10 * power;
}

function logScale(low: number, high: number, pixels: number, gap: number): Scale {
  const margin = low === high ? 2 : Math.max((high / low) ** 0.05, 1.06);
  const domain: [number, number] = [low / margin, high * margin];
  return { domain, ticks: logTicks(domain, pixels, gap), log: true };
}

const LOG_TICKS: [number[], number][] = [
  ...([[1, 2, 5], [1, 3], [1]] as number[][]).map((factors) => [factors, 1] as [number[], number]),
  ...[2, 3, 4, 6].map((every) => [[1], every] as [number[], number]),
];

/** 0.1, 0.2, 0.5, 1, 2, 5 …; where room is short 0.1, 1, 10 …, or every second or third power. */
export function logTicks([low, high]: [number, number], pixels: number, gap: number): number[] {
  const decades = Math.log10(high / low);
  const fits = (ticks: number[]): boolean =>
    ticks.every((tick, place) => place === 0 || (Math.log10(tick / (ticks[place - 1] as number)) / decades) * pixels >= gap);
  if (powers(low, high, [1, 2, 5], 1).length < 3) {
    for (const factors of [[1, 1.5, 2, 3, 4, 5, 6, 8], [1, 2, 3, 5]]) {
      const ticks = powers(low, high, factors, 1);
      if (ticks.length > 2 && fits(ticks)) return ticks;
    }
    const even = linearTicks([low, high], Math.max(2, pixels / gap / 1.5)).filter((tick) => tick > 0);
    if (even.length > 1) return even;
  }
  let best: number[] = [];
  for (const [factors, every] of LOG_TICKS) {
    const ticks = powers(low, high, factors, every);
    if (ticks.length < 2) break;
    best = ticks;
    if (fits(ticks)) return ticks;
  }
  return best.length > 2 ? best.filter((_, place) => place % 2 === 0) : best;
}

function powers(low: number, high: number, factors: number[], every: number): number[] {
  const ticks: number[] = [];
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    if (power % every !== 0) continue;
    for (const factor of factors) {
      const tick = Number((factor * 10 ** power).toPrecision(12));
      if (tick >= low * (1 - 1e-9) && tick <= high * (1 + 1e-9)) ticks.push(tick);
    }
  }
  return ticks;
}

/** Quantile of sorted values, by linear interpolation between order statistics. */
export function quantile(sorted: readonly number[], p: number): number {
  const place = p * (sorted.length - 1);
  const below = Math.floor(place);
  const low = sorted[below] as number;
  const high = sorted[Math.min(below + 1, sorted.length - 1)] as number;
  return low + (place - below) * (high - low);
}
