// A mode as it is animated: which cells hold a whole wave, where atoms are at a time, what moves, in words.

import { listed } from "../format";
import type { Mode } from "../contract";
import { length, type Atom, type Vector } from "./geometry";

/** Most cells in a direction. */
const MOST = 4;
/** Most atoms that are drawn. */
const MANY = 420;

/** Cells in each direction after which the wave repeats, at most four; two of a small cell at Γ. */
export function repeatOf(q: readonly number[], nAtoms: number): Vector {
  const repeat = q.map((value) => {
    for (let n = 1; n <= MOST; n++) if (Math.abs(value * n - Math.round(value * n)) < 1e-3) return n;
    return MOST;
  }) as Vector;
  const atoms = (): number => nAtoms * repeat[0] * repeat[1] * repeat[2];
  if (nAtoms <= 12) for (const k of [0, 1, 2]) if (repeat[k] === 1 && 2 * atoms() <= 120) repeat[k] = 2;
  while (atoms() > MANY && Math.max(...repeat) > 1) repeat[repeat.indexOf(Math.max(...repeat))]!--;
  return repeat;
}

/** Whether `repeat` cells hold whole waves. */
export function commensurate(q: readonly number[], repeat: readonly number[]): boolean {
  return q.every((value, k) => Math.abs(value * repeat[k]! - Math.round(value * repeat[k]!)) < 1e-3);
}

/** Displacement of an atom, Å, at a share of the period: amplitude · Re[e exp(2πi (q·r − t))], r in cells. */
export function displacement(mode: Mode, atom: Atom, time: number, amplitude: number): Vector {
  const e = mode.displacements[atom.source] ?? [];
  const phase = 2 * Math.PI * (mode.q.reduce((sum, value, k) => sum + value * atom.fractional[k]!, 0) - time);
  const [cosine, sine] = [Math.cos(phase), Math.sin(phase)];
  return [0, 1, 2].map((k) => amplitude * ((e[k] ?? 0) * cosine - (e[k + 3] ?? 0) * sine)) as Vector;
}

/** The share of the period at which the atoms are furthest out, for the picture that stands still. */
export function furthest(mode: Mode, atoms: readonly Atom[]): number {
  let best = 0;
  let most = -1;
  for (let n = 0; n < 24; n++) {
    const sum = atoms.reduce((total, atom) => total + length(displacement(mode, atom, n / 24, 1)) ** 2, 0);
    if (sum > most + 1e-9) [most, best] = [sum, n / 24];
  }
  return best;
}

/** Largest amplitude of each element, the largest 1, from large to small. */
export function amplitudes(mode: Mode): { symbol: string; share: number }[] {
  const most = new Map<string, number>();
  mode.structure.symbols.forEach((symbol, atom) => {
    most.set(symbol, Math.max(most.get(symbol) ?? 0, length(mode.displacements[atom] ?? [])));
  });
  const whole = Math.max(...most.values(), 1e-12);
  return [...most].map(([symbol, size]) => ({ symbol, share: size / whole })).sort((a, b) => b.share - a.share);
}

/** “F moves most; Rb reaches 35 % of its amplitude; K and Cl hardly move.” */
export function movement(mode: Mode): string {
  const [first, ...rest] = amplitudes(mode);
  if (!first) return "";
  const along = rest.filter(({ share }) => share >= 0.1).map(({ symbol, share }) => `${symbol} (${Math.round(100 * share)} % of its amplitude)`);
  const still = rest.filter(({ share }) => share < 0.1).map(({ symbol }) => symbol);
  const parts = [
    rest.length ? `${first.symbol} moves most` : `All atoms are ${first.symbol}`,
    ...(along.length ? [`with it ${listed(along)}`] : []),
    ...(still.length ? [`${listed(still)} hardly ${still.length > 1 ? "move" : "moves"}`] : []),
  ];
  return `${parts.join("; ")}.`;
}
