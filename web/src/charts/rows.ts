// Plots whose vertical axis is a list of names: beside their rows where there is room, above them where there is not.

import type { Box, Place } from "./facet";
import type { PlotSpec } from "./grid";
import { INK, PAPER, RULE } from "./looks";
import { svg } from "./svg";
import { textWidth, wrap } from "./text";

export interface RowPlot extends Pick<PlotSpec, "y" | "left" | "right"> {
  /** Height of a row, pixels. */
  step: number;
  /** Whether names stand above their rows: whoever draws them moves marks down by `shift`. */
  above: boolean;
}

export const ROW_HEIGHT = 30;

/** Narrower plots than this do not stand side by side with names beside the first. */
const LEAST = 230;

const widestOf = (names: readonly string[]): number => Math.max(...names.map((name) => textWidth(name, 12)), 0) + 14;

/** Room for names beside the first plot of each row, where all plots have the same rows; 0: each has its own names. */
export function sharedNames(width: number, lists: readonly (readonly string[])[]): number {
  const [first = [], ...others] = lists;
  if (!others.length || others.some((list) => list.join("\n") !== first.join("\n"))) return 0;
  const widest = widestOf(first);
  return width - widest >= 2 * LEAST ? widest : 0;
}

/** Least width of plots whose names stand beside their rows. */
export function leastFor(names: readonly string[]): number {
  return Math.max(300, Math.ceil(widestOf(names) / SHARE) + 1);
}

/** Of a plot's width that its names may take. */
const SHARE = 0.42;

/** `lead`: room for names that plots share, and whether this one has them. */
export function rowPlot(width: number, names: string[], height = ROW_HEIGHT, lead?: { room: number; first: boolean }): RowPlot {
  const widest = widestOf(names);
  const shares = lead !== undefined && lead.room > 0;
  const above = !shares && widest > SHARE * width;
  const beside = shares ? lead.first : !above;
  return {
    step: above ? height + 16 : height,
    above,
    left: beside ? widest : 10,
    right: 16,
    y: {
      label: "",
      log: false,
      values: [],
      guides: [],
      domain: [names.length - 0.5, -0.5],
      names: beside ? names.map((name, at) => ({ at, name })) : [],
    },
  };
}

/** Middle of the marks of a row. */
export function rowMiddle(plot: RowPlot, y: Place, row: number): number {
  return y(row) + (plot.above ? 8 : 0);
}

/** A line for each row; names above those that they do not stand beside. */
export function nameRows(layer: SVGGElement, plot: RowPlot, names: string[], y: Place, box: Box): void {
  names.forEach((name, row) => {
    const middle = rowMiddle(plot, y, row);
    layer.append(svg("line", { x1: box.left, x2: box.right, y1: middle, y2: middle, stroke: RULE, "stroke-width": 0.6 }));
    if (!plot.above) return;
    const line = fit(name, box.right - box.left);
    layer.append(svg("text", { x: box.left, y: y(row) - plot.step / 2 + 13, fill: INK, stroke: PAPER, "stroke-width": 3, "paint-order": "stroke", "aria-hidden": "true" }, line));
  });
}

function fit(name: string, width: number): string {
  const lines = wrap(name, width - 12, 12);
  return lines.length > 1 ? `${lines[0]}…` : (lines[0] as string);
}
