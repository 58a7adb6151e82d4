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

export function rowPlot(width: number, names: string[], height = ROW_HEIGHT): RowPlot {
  const widest = Math.max(...names.map((name) => textWidth(name, 12)), 0) + 14;
  const above = widest > 0.42 * width;
  return {
    step: above ? height + 16 : height,
    above,
    left: above ? 10 : widest,
    right: 16,
    y: {
      label: "",
      log: false,
      values: [],
      guides: [],
      domain: [names.length - 0.5, -0.5],
      names: above ? [] : names.map((name, at) => ({ at, name })),
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
