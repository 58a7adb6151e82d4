// All values of a column, a strip for each potential in a plot for each group; quartiles from five values on.

import type { CellDistribution } from "../contract";
import { marked, type ChartContext } from "../context";
import { groupsOf } from "../colour";
import { cellsOf, hue, labelOf, materialName, numberOf, potentialName, potentialsOf, type CellValue } from "./cells";
import { drawGrid, nothing, type PlotSpec } from "./grid";
import { INK } from "./looks";
import { quantile, spellTick } from "./numbers";
import { leastFor, nameRows, rowMiddle, rowPlot, ROW_HEIGHT, sharedNames } from "./rows";
import { shape, svg } from "./svg";
import type { Target } from "./targets";
import { told } from "./told";

/** Fewer values than this have no quartiles. */
export const LEAST = 5;

interface Drop extends CellValue {
  value: number;
}

export function dropsOf(chart: CellDistribution, context: ChartContext): Drop[] {
  const drops: Drop[] = [];
  for (const cell of cellsOf(context)) {
    const value = numberOf(context, chart.value, cell.cell);
    if (value !== null && !(chart.log && value <= 0)) drops.push({ ...cell, value });
  }
  return drops;
}

/** Quartiles of at least five values; null for fewer. */
export function boxOf(values: readonly number[]): { low: number; median: number; high: number } | null {
  if (values.length < LEAST) return null;
  const sorted = [...values].sort((a, b) => a - b);
  return { low: quantile(sorted, 0.25), median: quantile(sorted, 0.5), high: quantile(sorted, 0.75) };
}

export function drawCellDistribution(chart: CellDistribution, context: ChartContext): HTMLElement {
  const drops = dropsOf(chart, context);
  if (!drops.length) return nothing("No cell that the filters leave has this value.");
  const potentials = potentialsOf(drops);
  const groups = [...groupsOf(context.page)];
  const present = groups.map(([key, name], place) => ({ key, name, place })).filter(({ place }) => drops.some((drop) => drop.group === place));
  const label = labelOf(context, chart.value);
  const boxed = potentials.some((potential) => present.some(({ place }) => drops.filter((drop) => drop.potential === potential && drop.group === place).length >= LEAST));
  const names = potentials.map((potential) => marked(context, potentialName(context, potential)));
  const room = sharedNames(context.width, present.map(() => names));
  const plots = present.map(({ key, name, place }) => (width: number, first: boolean): PlotSpec => {
    const own = drops.filter((drop) => drop.group === place);
    const materials = new Set(own.map((drop) => drop.material)).size;
    const rows = rowPlot(width, names, ROW_HEIGHT, { room, first });
    const targets: Target[] = [];
    return {
      ...rows,
      title: `${name || "all"} (${spellTick(materials)})`,
      href: present.length > 1 ? context.viewHref({ groups: [key] }) : undefined,
      x: { label, log: chart.log, values: drops.map((drop) => drop.value), guides: chart.guides.map((guide) => guide.value) },
      guides: chart.guides.map((guide) => ({ ...guide, axis: "x" })),
      targets,
      draw: (layer, x, y, box) => {
        nameRows(layer, rows, names, y, box);
        potentials.forEach((potential, row) => {
          const strip = own.filter((drop) => drop.potential === potential);
          const middle = rowMiddle(rows, y, row);
          const heights = swarm(strip.map((drop) => x(drop.value)), ROW_HEIGHT * 0.36);
          const radius = strip.length < LEAST ? 4 : 2.5;
          layer.append(...drawStrip(strip, heights, radius, potential, place, middle, x));
          strip.forEach((drop, n) => targets.push({ ...targetOf(drop, x(drop.value), middle + (heights[n] ?? 0), label, context), radius }));
        });
      },
    };
  });
  return drawGrid({
    width: context.width,
    plots,
    legend: boxed ? [{ name: "quartiles and median, from five values on", colour: INK, look: "band" }] : [],
    name: chart.title,
    what: "points, each leading to its material",
    least: room ? 200 : leastFor(names),
    lead: room,
    most: 620,
    height: (width) => rowPlot(width, names, ROW_HEIGHT, { room, first: false }).step * names.length,
  });
}

function drawStrip(strip: Drop[], heights: number[], radius: number, potential: number, group: number, middle: number, x: (value: number) => number): SVGElement[] {
  const made: SVGElement[] = [];
  const d = strip.map((drop, n) => shape(group, radius, x(drop.value), middle + (heights[n] ?? 0))).join("");
  const box = boxOf(strip.map((drop) => drop.value));
  if (box) {
    const [low, high] = [x(box.low), x(box.high)];
    made.push(svg("rect", { x: low, y: middle - ROW_HEIGHT * 0.4, width: Math.max(1, high - low), height: ROW_HEIGHT * 0.8, fill: hue(potential), "fill-opacity": 0.2, rx: 2 }));
  }
  made.push(svg("path", { d, fill: hue(potential), "fill-opacity": box ? 0.75 : 1 }));
  if (box) made.push(svg("line", { x1: x(box.median), x2: x(box.median), y1: middle - ROW_HEIGHT * 0.42, y2: middle + ROW_HEIGHT * 0.42, stroke: INK, "stroke-width": 2 }));
  return made;
}

/** Heights at which points at `places` do not hide one another: the nearest free one, within `room`. */
export function swarm(places: readonly number[], room: number): number[] {
  const step = 3.4;
  const levels = Math.max(0, Math.floor(room / step));
  const last = new Map<number, number>();
  const heights: number[] = new Array(places.length).fill(0);
  const order = places.map((_, n) => n).sort((a, b) => (places[a] as number) - (places[b] as number));
  for (const n of order) {
    const at = places[n] as number;
    let chosen = 0;
    let least = Infinity;
    for (let k = 0; k <= 2 * levels; k++) {
      const level = k % 2 ? (k + 1) / 2 : -k / 2;
      const before = last.get(level) ?? -Infinity;
      if (at - before >= 4.6) {
        chosen = level;
        break;
      }
      if (before < least) [least, chosen] = [before, level];
    }
    last.set(chosen, at);
    heights[n] = chosen * step;
  }
  return heights;
}

function targetOf(drop: Drop, x: number, y: number, label: string, context: ChartContext): Target {
  const name = materialName(context, drop.material);
  return {
    x,
    y,
    href: context.materialHref(name, potentialName(context, drop.potential)),
    same: name,
    lines: () => [`${name}, ${potentialName(context, drop.potential)}`, told(label, drop.value)],
  };
}
