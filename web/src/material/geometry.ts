// Cells and what is drawn of them: vectors, images at the faces, bonds.

import type { Structure } from "../contract";
import { fills, isMetal, radius } from "./elements";

export type Vector = [number, number, number];

export interface Atom {
  symbol: string;
  /** Place, in the structure, of the atom that it is an image of. */
  source: number;
  fractional: Vector;
  at: Vector;
}

/** Cartesian coordinates, Å; rows of `lattice` are its vectors. */
export function cartesian(lattice: readonly (readonly number[])[], fractional: readonly number[]): Vector {
  return [0, 1, 2].map((k) => [0, 1, 2].reduce((sum, i) => sum + (fractional[i] ?? 0) * (lattice[i]?.[k] ?? 0), 0)) as Vector;
}

export function length(vector: readonly number[]): number {
  return Math.hypot(...vector);
}

export interface LatticeConstants {
  lengths: Vector;
  /** Degrees. */
  angles: Vector;
  /** Å³ */
  volume: number;
}

export function latticeConstants(lattice: readonly (readonly number[])[]): LatticeConstants {
  const [a, b, c] = lattice as [number[], number[], number[]];
  const dot = (u: number[], v: number[]): number => u.reduce((sum, value, k) => sum + value * (v[k] as number), 0);
  const angle = (u: number[], v: number[]): number => (Math.acos(Math.max(-1, Math.min(1, dot(u, v) / length(u) / length(v)))) * 180) / Math.PI;
  const cross = [b[1]! * c[2]! - b[2]! * c[1]!, b[2]! * c[0]! - b[0]! * c[2]!, b[0]! * c[1]! - b[1]! * c[0]!];
  return { lengths: [length(a), length(b), length(c)], angles: [angle(b, c), angle(a, c), angle(a, b)], volume: Math.abs(dot(a, cross)) };
}

/** Atoms of `repeat` cells; with `images` also those at the faces again, and neighbours outside that make polyhedra whole. */
export function atomsOf(structure: Structure, repeat: Vector = [1, 1, 1], images = true): Atom[] {
  const within: Atom[] = [];
  const outside: Atom[] = [];
  structure.positions.forEach((position, source) => {
    const symbol = structure.symbols[source] ?? "X";
    const home = position.map((value) => value - Math.floor(value + 1e-6));
    const reach = images ? 1 : 0;
    const steps = repeat.map((n) => Array.from({ length: n + 2 * reach }, (_, k) => k - reach));
    for (const i of steps[0]!) for (const j of steps[1]!) for (const k of steps[2]!) {
      const fractional = [home[0]! + i, home[1]! + j, home[2]! + k] as Vector;
      const beyond = Math.max(...fractional.map((value, axis) => Math.max(-value, value - repeat[axis]!)));
      const inside = images ? beyond < 0.02 : i >= 0 && j >= 0 && k >= 0;
      if (!inside && (beyond > 0.5 || isMetal(symbol))) continue;
      (inside ? within : outside).push({ symbol, source, fractional, at: cartesian(structure.lattice, fractional) });
    }
  });
  const centres = within.filter((atom) => isMetal(atom.symbol) && !fills(atom.symbol));
  const bound = (atom: Atom): boolean => centres.some((centre) => bonded(atom, centre));
  return [...within, ...outside.filter(bound)];
}

function bonded(p: Atom, q: Atom): boolean {
  const far = 1.15 * (radius(p.symbol) + radius(q.symbol));
  const dx = p.at[0] - q.at[0];
  if (dx > far || dx < -far) return false;
  const distance = Math.hypot(dx, p.at[1] - q.at[1], p.at[2] - q.at[2]);
  return distance <= far && distance >= 0.4;
}

/** Pairs of atoms nearer than 1.15 times their covalent radii; of two metals, or of large ions, only where there are no others. */
export function bondsOf(atoms: readonly Atom[]): [number, number][] {
  const found: [number, number][] = [];
  const others: [number, number][] = [];
  for (let a = 0; a < atoms.length; a++) {
    for (let b = a + 1; b < atoms.length; b++) {
      const [p, q] = [atoms[a] as Atom, atoms[b] as Atom];
      if (!bonded(p, q)) continue;
      const aside = fills(p.symbol) || fills(q.symbol) || (isMetal(p.symbol) && isMetal(q.symbol));
      (aside ? others : found).push([a, b]);
    }
  }
  return found.length ? found : others;
}

/** Edges of the unit cell as pairs of corners. */
export function edgesOf(lattice: readonly (readonly number[])[], repeat: Vector = [1, 1, 1]): [Vector, Vector][] {
  const edges: [Vector, Vector][] = [];
  for (const axis of [0, 1, 2]) {
    const [u, v] = [0, 1, 2].filter((one) => one !== axis) as [number, number];
    for (const i of [0, 1]) for (const j of [0, 1]) {
      const from: Vector = [0, 0, 0];
      from[u] = i * (repeat[u] as number);
      from[v] = j * (repeat[v] as number);
      const to: Vector = [...from];
      to[axis] = repeat[axis] as number;
      edges.push([cartesian(lattice, from), cartesian(lattice, to)]);
    }
  }
  return edges;
}

/** “Cs2AgBiBr6”: how many atoms of each element a cell holds, in the order in which they come. */
export function composition(symbols: readonly string[]): { symbol: string; n: number }[] {
  const counts = new Map<string, number>();
  for (const symbol of symbols) counts.set(symbol, (counts.get(symbol) ?? 0) + 1);
  return [...counts].map(([symbol, n]) => ({ symbol, n }));
}
