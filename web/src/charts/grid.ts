// A chart as it stands in the page: its legend, and its plots in rows that break by the width there is.

import { drawFacet, type FacetSpec } from "./facet";
import { INK } from "./looks";
import { html, shape, svg } from "./svg";
import { reach, type Target } from "./targets";

const GAP = 20;

export interface LegendEntry {
  name: string;
  colour: string;
  /** Place of the shape; none: a bar of colour. */
  shape?: number;
  look?: "shape" | "line" | "dashed" | "hollow" | "band";
}

export type PlotSpec = Omit<FacetSpec, "width" | "height"> & { targets: Target[] };

export interface GridSpec {
  width: number;
  /** `first`: of its row. */
  plots: ((width: number, first: boolean) => PlotSpec)[];
  legend: LegendEntry[];
  /** Name of the chart for those who do not see it. */
  name: string;
  /** What its targets are called: “points, each leading to its material”. */
  what: string;
  /** Least and greatest width of a plot where there are several, and of one alone. */
  least?: number;
  most?: number;
  alone?: number;
  /** Room for names of rows that the first plot of each row has beyond the others. */
  lead?: number;
  height: (width: number, plot: PlotSpec) => number;
  chosen?: (plot: number, target: number) => void;
}

/** How many plots stand side by side in `width`, and how wide each is. */
export function columnsFor(width: number, n: number, least: number, most: number, alone: number): { columns: number; each: number } {
  if (n === 1) return { columns: 1, each: Math.floor(Math.min(width, alone)) };
  const fit = Math.max(1, Math.min(n, Math.floor((width + GAP) / (Math.min(least, width) + GAP))));
  // Four in rows of three are drawn two by two.
  const columns = Math.ceil(n / Math.ceil(n / fit));
  return { columns, each: Math.floor(Math.min(most, (width - GAP * (columns - 1)) / columns)) };
}

export function drawGrid(spec: GridSpec): HTMLElement {
  const { least = 250, most = 460, alone = 820, lead = 0 } = spec;
  const { columns, each } = columnsFor(spec.width - lead, spec.plots.length, least, most, alone);
  const root = html("div", { class: "sm-chart" });
  if (spec.legend.length) root.append(drawLegend(spec.legend));
  const grid = html("div", { class: "sm-grid" });
  grid.dataset.columns = String(columns);
  grid.style.gridTemplateColumns = lead ? `${each + lead}px repeat(${columns - 1}, ${each}px)` : `repeat(${columns}, ${each}px)`;
  root.append(grid);
  const made = spec.plots.map((make, place) => {
    const first = place % columns === 0;
    const width = first ? each + lead : each;
    const plot = make(width, first);
    const facet = drawFacet({ ...plot, width, height: spec.height(each, plot) });
    grid.append(facet.element);
    return { svg: facet.element, targets: plot.targets, name: [spec.name, plot.title].filter(Boolean).join(": ") };
  });
  reach(root, made, spec.what, spec.chosen);
  return root;
}

export function drawLegend(entries: LegendEntry[]): HTMLElement {
  return html("ul", { class: "sm-legend" }, ...entries.map((entry) => html("li", {}, key(entry), entry.name)));
}

function key(entry: LegendEntry): SVGElement {
  const box = svg("svg", { width: 18, height: 14, viewBox: "0 0 18 14", "aria-hidden": "true" });
  const look = entry.look ?? (entry.shape === undefined ? "line" : "shape");
  if (look === "shape") box.append(svg("path", { d: shape(entry.shape ?? 0, 5, 9, 7), fill: entry.colour }));
  if (look === "hollow") box.append(svg("path", { d: shape(entry.shape ?? 0, 4.5, 9, 7), fill: "none", stroke: entry.colour, "stroke-width": 1.6 }));
  if (look === "band") box.append(svg("rect", { x: 0, y: 2, width: 18, height: 10, fill: entry.colour, "fill-opacity": 0.25 }));
  if (look === "line" || look === "dashed") {
    const dashes = look === "dashed" ? "5 3" : undefined;
    box.append(svg("line", { x1: 0, x2: 18, y1: 7, y2: 7, stroke: entry.colour, "stroke-width": 2.5, "stroke-dasharray": dashes }));
  }
  return box;
}

/** Keys of groups' shapes, in ink. */
export function shapeKeys(groups: Iterable<[string, string]>): LegendEntry[] {
  const all = [...groups];
  return all.length > 1 ? all.map(([, name], place) => ({ name, colour: INK, shape: place })) : [];
}

/** What stands in a chart's place when there is nothing to draw. */
export function nothing(text: string): HTMLElement {
  return html("div", { class: "sm-chart" }, html("p", { class: "sm-nothing" }, text));
}
