// Fields in rows and columns under names: matrices of numbers and of counts.

import type { Box } from "./facet";
import type { PlotSpec } from "./grid";
import { INK } from "./looks";
import { svg } from "./svg";
import { textWidth, wrap } from "./text";

export interface FieldLayout {
  width: number;
  height: number;
  /** Where the first row and column begin. */
  left: number;
  top: number;
  each: number;
  tall: number;
  slanted: boolean;
  rows: string[];
  columns: string[];
}

const LINE = 13;
/** Longest slanted name, pixels. */
const HEAD = 210;

/** Fields as wide as there is room for, at least `least`; names of columns are slanted where they are wider. */
export function fieldLayout(width: number, rows: string[], columns: string[], least: number, most: number, tall = 30): FieldLayout {
  const left = Math.min(Math.max(...rows.map((name) => textWidth(name, 12))) + 24, Math.max(84, 0.4 * width));
  const fitting = (room: number): number => Math.max(least, Math.min(most, (room - left - 4) / columns.length));
  const whole = fieldsOf(left, fitting(width), rows, columns, tall);
  // Slanted names reach beyond the last column: there must be room for them too.
  return whole.width > width ? fieldsOf(left, fitting(width - (whole.width - width)), rows, columns, tall) : whole;
}

function fieldsOf(left: number, each: number, rows: string[], columns: string[], tall: number): FieldLayout {
  const heads = columns.map((name) => wrap(name, each - 6, 12));
  const widest = Math.max(...columns.map((name) => textWidth(name, 12)));
  const broken = columns.some((name) => Math.max(...name.split(/\s+/).map((word) => textWidth(word, 12))) > each - 6);
  const slanted = broken || Math.max(...heads.map((lines) => lines.length)) > 3;
  const top = slanted ? Math.min(widest, HEAD) * 0.71 + 16 : LINE * Math.max(...heads.map((lines) => lines.length)) + 10;
  const overhang = slanted ? Math.max(0, ...columns.map((name, n) => (n + 0.5) * each + 0.71 * Math.min(HEAD, textWidth(name, 12)) + 8 - columns.length * each)) : 0;
  return { width: left + each * columns.length + 4 + overhang, height: top + rows.length * tall, left, top, each, tall, slanted, rows, columns };
}

/** Axes of a plot in whose pixels fields are drawn. */
export function fieldAxes(layout: FieldLayout, rowLabel: string, columnLabel: string): Pick<PlotSpec, "x" | "y" | "left" | "right" | "guides"> {
  const label = [rowLabel && `↓ ${rowLabel}`, columnLabel && `→ ${columnLabel}`].filter(Boolean).join(", ");
  const bare = { log: false, values: [], guides: [], hidden: true };
  return { left: 0, right: 0, guides: [], x: { ...bare, label: "", domain: [0, layout.width] }, y: { ...bare, label, domain: [layout.height, 0] } };
}

export function middleOf(layout: FieldLayout, box: Box, row: number, column: number): { x: number; y: number } {
  return { x: layout.left + layout.each * (column + 0.5), y: box.top + layout.top + layout.tall * (row + 0.5) };
}

/** Names of rows and columns, with a bar of colour where they are potentials. */
export function drawHeads(layer: SVGGElement, layout: FieldLayout, box: Box, colourOf: (name: string) => string): void {
  layout.columns.forEach((name, column) => {
    const { x } = middleOf(layout, box, 0, column);
    const y = box.top + layout.top - 8;
    const colour = colourOf(name);
    if (layout.slanted) layer.append(svg("text", { transform: `translate(${x + 4},${y}) rotate(-45)`, "text-anchor": "start", fill: INK }, shorten(name, HEAD)));
    else layer.append(lines(wrap(name, layout.each - 6, 12), x, y, 1, "middle"));
    if (colour !== INK) layer.append(svg("rect", { x: x - 8, y: y + 3, width: 16, height: 3, fill: colour }));
  });
  layout.rows.forEach((name, row) => {
    const { y } = middleOf(layout, box, row, 0);
    const colour = colourOf(name);
    const parts = wrap(name, layout.left - 20, 12);
    const shown = parts.length > 2 ? [parts[0] as string, shorten(parts.slice(1).join(" "), layout.left - 20)] : parts;
    layer.append(lines(shown, layout.left - 12, y + 4, 0.5, "end"));
    if (colour !== INK) layer.append(svg("rect", { x: layout.left - 8, y: y - 8, width: 3, height: 16, fill: colour }));
  });
}

/** Lines of a text; `rise`: which share of them stands above y. */
function lines(parts: string[], x: number, y: number, rise: number, anchor: string): SVGElement {
  const text = svg("text", { "text-anchor": anchor, fill: INK });
  parts.forEach((part, n) => text.append(svg("tspan", { x, y: y + LINE * (n - (parts.length - 1) * rise) }, part)));
  return text;
}

export function shorten(text: string, width: number): string {
  if (textWidth(text, 12) <= width) return text;
  let n = text.length;
  while (n > 1 && textWidth(`${text.slice(0, n)}…`, 12) > width) n--;
  return `${text.slice(0, n)}…`;
}
