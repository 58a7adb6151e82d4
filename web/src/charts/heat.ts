// A matrix of numbers, written into its fields.

import type { Heat } from "../contract";
import type { ChartContext } from "../context";
import { colourOf } from "../colour";
import { number } from "../format";
import { drawHeads, fieldAxes, fieldLayout, middleOf } from "./fields";
import { drawGrid, nothing, type PlotSpec } from "./grid";
import { greys, PAPER, QUIET, ramp, RULE } from "./looks";
import { html, svg } from "./svg";
import type { Target } from "./targets";
import { textWidth } from "./text";

export function drawHeat(chart: Heat, context: ChartContext): HTMLElement {
  if (!chart.rows.length || !chart.columns.length) return nothing("There is nothing to show.");
  const shades = shadesOf(chart);
  const least = Math.max(28, ...chart.texts.flat().map((text) => textWidth(text, 12, true) + 10));
  const layout = fieldLayout(context.width, chart.rows, chart.columns, least, 72);
  const targets: Target[] = [];
  const plot = (): PlotSpec => ({
    ...fieldAxes(layout, chart.row_label, chart.column_label),
    title: "",
    targets,
    draw: (layer, _x, _y, box) => {
      drawHeads(layer, layout, box, (name) => colourOf(context.page, name));
      chart.values.forEach((line, row) => line.forEach((value, column) => {
        const at = middleOf(layout, box, row, column);
        const size = { width: layout.each - 3, height: layout.tall - 3 };
        layer.append(...drawField(chart, shades, value, row, column, at, size));
        targets.push({ ...at, ...size, href: hrefOf(chart, context, row, column), lines: () => linesOf(chart, row, column) });
      }));
    },
  });
  const { width } = layout;
  const root = drawGrid({ width, plots: [plot], legend: [], name: chart.title, what: "fields", alone: width, height: () => layout.height });
  if (width > context.width) scrolls(root, chart.title);
  root.prepend(scaleKey(chart, shades));
  return root;
}

function scrolls(root: HTMLElement, title: string): void {
  const grid = root.querySelector<HTMLElement>(".sm-grid");
  grid?.classList.add("sm-scrolls");
  grid?.setAttribute("tabindex", "0");
  grid?.setAttribute("role", "group");
  grid?.setAttribute("aria-label", `${title}, scrolls sideways`);
}

interface Shades {
  low: number;
  high: number;
  of: (value: number) => { fill: string; text: string };
}

/** Shades of values: from nothing to much, or to both sides of a middle. */
export function shadesOf(chart: Heat): Shades {
  const known = chart.values.flat().filter((value): value is number => value !== null && Number.isFinite(value));
  const low = Math.min(...known, chart.middle ?? 0);
  const high = Math.max(...known, chart.middle ?? 0);
  const { middle } = chart;
  if (middle === null) return { low, high, of: (value) => ramp(high > low ? (value - low) / (high - low) : 0) };
  const reach = Math.max(high - middle, middle - low) || 1;
  return { low, high, of: (value) => (value >= middle ? ramp((value - middle) / reach) : greys((middle - value) / reach)) };
}

function drawField(
  chart: Heat, shades: Shades, value: number | null, row: number, column: number,
  { x, y }: { x: number; y: number }, { width, height }: { width: number; height: number },
): SVGElement[] {
  const known = value !== null && Number.isFinite(value);
  const { fill, text } = known ? shades.of(value) : { fill: PAPER, text: QUIET };
  const bold = chart.strong[row]?.[column] ?? false;
  return [
    svg("rect", { x: x - width / 2, y: y - height / 2, width, height, rx: 2, fill, stroke: known ? "none" : RULE }),
    svg("text", { x, y: y + 4, "text-anchor": "middle", "font-weight": bold ? 700 : 400, fill: text }, chart.texts[row]?.[column] ?? (known ? number(value) : "")),
  ];
}

function linesOf(chart: Heat, row: number, column: number): string[] {
  const text = chart.texts[row]?.[column] || number(chart.values[row]?.[column]);
  return [`${chart.rows[row]} × ${chart.columns[column]}`, `${chart.label}: ${text}`];
}

/** To the cells of the potential and group that row and column name, if they do. */
function hrefOf(chart: Heat, context: ChartContext, row: number, column: number): string | null {
  const names = [chart.rows[row], chart.columns[column]];
  const potentials = context.page.potentials.map((one) => one.name).filter((name) => names.includes(name));
  const groups = [...new Set(context.page.materials.filter((one) => names.includes(one.group) || names.includes(one.group_name)).map((one) => one.group))];
  const material = context.page.materials.find((one) => names.includes(one.name));
  if (material) return context.materialHref(material.name);
  if (!potentials.length && !groups.length) return null;
  return context.viewHref({ route: { name: "cells" }, ...(potentials.length ? { potentials } : {}), ...(groups.length ? { groups } : {}) });
}

function scaleKey(chart: Heat, shades: Shades): HTMLElement {
  const steps = Array.from({ length: 9 }, (_, n) => shades.low + ((shades.high - shades.low) * n) / 8);
  const bar = svg("svg", { width: 108, height: 12, viewBox: "0 0 108 12", "aria-hidden": "true" });
  steps.forEach((value, n) => bar.append(svg("rect", { x: n * 12, y: 0, width: 12, height: 12, fill: shades.of(value).fill })));
  return html("p", { class: "sm-scale" }, `${chart.label}: `, number(shades.low), bar, number(shades.high));
}
