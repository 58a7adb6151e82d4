// Which bonds a mode stretches: what a high branch is called by.

import type { Mode } from "../contract";
import { isMetal } from "./elements";
import { atomsOf, bondsOf, length, type Atom, type Vector } from "./geometry";
import { displacement } from "./mode";

/** Elements of the bonds that a mode stretches most, the shortest first, and how much of their ends' relative motion lies along them. */
export interface Stretch {
  pairs: [string, string][];
  along: number;
}

/** Bonds stretched as much as the most but for this share are named beside it. */
const ALIKE = 0.8;

const minus = (a: Vector, b: Vector): Vector => [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
const dot = (a: Vector, b: Vector): number => a[0] * b[0] + a[1] * b[1] + a[2] * b[2];

/** Null where the structure has no bonds. */
export function stretchOf(mode: Mode): Stretch | null {
  const atoms = atomsOf(mode.structure);
  const sums = new Map<string, { pair: [string, string]; along: number; all: number; n: number; short: number }>();
  for (const [a, b] of bondsOf(atoms)) {
    const [one, other] = [atoms[a] as Atom, atoms[b] as Atom];
    const bond = minus(other.at, one.at);
    const long = length(bond);
    const pair = [one.symbol, other.symbol].sort((p, q) => Number(isMetal(q)) - Number(isMetal(p)) || (p < q ? -1 : 1)) as [string, string];
    const sum = sums.get(pair.join()) ?? { pair, along: 0, all: 0, n: 0, short: Infinity };
    for (const time of [0, 0.25]) {
      const relative = minus(displacement(mode, other, time, 1), displacement(mode, one, time, 1));
      sum.along += (dot(relative, bond) / long) ** 2;
      sum.all += dot(relative, relative);
    }
    sum.n++;
    sum.short = Math.min(sum.short, long);
    sums.set(pair.join(), sum);
  }
  const mean = ({ along, n }: { along: number; n: number }): number => along / n;
  const most = Math.max(0, ...[...sums.values()].map(mean));
  // An atom between two others stretches one bond as it presses the other: neither is more than the other by the motion.
  const alike = [...sums.values()].filter((sum) => sum.all > 0 && mean(sum) >= ALIKE * most).sort((p, q) => p.short - q.short);
  const [first] = alike;
  return first ? { pairs: alike.map(({ pair }) => pair), along: first.along / first.all } : null;
}
