// Two columns of the table of cells against each other: hue is the potential, shape the group.

import type { CellPoints } from "../contract";
import { marked, type ChartContext } from "../context";
import { groupsOf } from "../colour";
import { cellsOf, hue, labelOf, materialName, numberOf, potentialName, potentialsOf, type CellValue } from "./cells";
import { drawGrid, nothing, shapeKeys, type PlotSpec } from "./grid";
import { INK } from "./looks";
import { shape, svg } from "./svg";
import type { Target } from "./targets";
import { told } from "./told";

/** More points than this, of more than one potential, are drawn in a plot for each. */
const TOGETHER = 400;

interface Spot extends CellValue {
  x: number;
  y: number;
}

export function spotsOf(chart: CellPoints, context: ChartContext): Spot[] {
  const spots: Spot[] = [];
  for (const cell of cellsOf(context)) {
    const x = numberOf(context, chart.x, cell.cell);
    const y = numberOf(context, chart.y, cell.cell);
    if (x === null || y === null || (chart.log_x && x <= 0) || (chart.log_y && y <= 0)) continue;
    spots.push({ ...cell, x, y });
  }
  return spots;
}

export function drawCellPoints(chart: CellPoints, context: ChartContext): HTMLElement {
  const spots = spotsOf(chart, context);
  if (!spots.length) return nothing("No cell that the filters leave has both values.");
  const potentials = potentialsOf(spots);
  const apart = potentials.length > 1 && spots.length > TOGETHER;
  const axis = (column: string, log: boolean, name: "x" | "y"): PlotSpec["x"] => ({
    label: labelOf(context, column),
    log,
    values: spots.map((spot) => spot[name]),
    guides: chart.guides.filter((guide) => guide.axis === name).map((guide) => guide.value),
  });
  const plotOf = (title: string, colour: string | undefined, own: Spot[]) => (): PlotSpec => {
    const targets: Target[] = [];
    return {
      title: marked(context, title),
      href: title ? context.viewHref({ potentials: [title] }) : undefined,
      hue: colour,
      x: axis(chart.x, chart.log_x, "x"),
      y: axis(chart.y, chart.log_y, "y"),
      guides: chart.guides,
      equality: chart.equality,
      targets,
      draw: (layer, x, y) => {
        const radius = own.length > 300 ? 2.6 : own.length > 80 ? 3.2 : own.length > 30 ? 4 : 5.5;
        // All others lie behind as faint rings, so that each plot is seen against the whole.
        if (apart) layer.append(svg("path", { d: pathOf(spots, x, y, 1.7), fill: "none", stroke: INK, "stroke-width": 0.6, "stroke-opacity": 0.22 }));
        for (const potential of potentialsOf(own)) {
          const series = own.filter((spot) => spot.potential === potential);
          const d = pathOf(series, x, y, radius);
          layer.append(svg("path", { d, fill: hue(potential), "fill-opacity": 0.8, stroke: "var(--page)", "stroke-width": 0.5 }));
        }
        for (const spot of own) targets.push(targetOf(spot, x(spot.x), y(spot.y), chart, context, radius));
      },
    };
  };
  const plots = apart
    ? potentials.map((place) => plotOf(potentialName(context, place), hue(place), spots.filter((spot) => spot.potential === place)))
    : [plotOf("", undefined, spots)];
  const shapes = shapeKeys([...groupsOf(context.page)]).filter((_, place) => spots.some((spot) => spot.group === place));
  const named = apart ? [] : potentials.map((place) => ({ name: marked(context, potentialName(context, place)), colour: hue(place), shape: 0 }));
  return drawGrid({
    width: context.width,
    plots,
    legend: [...named, ...shapes, ...(apart ? [{ name: "all potentials", colour: INK, shape: 0, look: "hollow" as const }] : [])],
    name: chart.title,
    what: "points, each leading to its material",
    height: (width) => (apart ? 0.7 * width : Math.min(480, 0.62 * width)),
    alone: 860,
  });
}

function pathOf(spots: readonly Spot[], x: (value: number) => number, y: (value: number) => number, radius: number): string {
  return spots.map((spot) => shape(spot.group, radius, x(spot.x), y(spot.y))).join("");
}

function targetOf(spot: Spot, x: number, y: number, chart: CellPoints, context: ChartContext, radius: number): Target {
  const name = materialName(context, spot.material);
  return {
    x,
    y,
    radius,
    href: context.materialHref(name, potentialName(context, spot.potential)),
    same: name,
    lines: () => [
      `${name}, ${potentialName(context, spot.potential)}`,
      told(labelOf(context, chart.x), spot.x),
      told(labelOf(context, chart.y), spot.y),
    ],
  };
}
