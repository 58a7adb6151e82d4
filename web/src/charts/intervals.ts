// Estimates with intervals, one below the other; filled where they count.

import type { IntervalRow, Intervals } from "../contract";
import { marked, type ChartContext } from "../context";
import { colourOf, groupsOf } from "../colour";
import { number } from "../format";
import { drawGrid, nothing, type LegendEntry, type PlotSpec } from "./grid";
import { INK, PAPER } from "./looks";
import { leastFor, nameRows, rowMiddle, rowPlot, sharedNames } from "./rows";
import { svg } from "./svg";
import type { Target } from "./targets";

const HEIGHT = 24;

export function drawIntervals(chart: Intervals, context: ChartContext): HTMLElement {
  const rows = chart.rows.filter((row) => Number.isFinite(row.value) && !(chart.log && row.value <= 0));
  if (!rows.length) return nothing("There is nothing to show.");
  const facets = [...new Set(rows.map((row) => row.facet))];
  const values = rows.flatMap((row) => [row.value, row.low, row.high]);
  const nameOf = (row: IntervalRow): string => (row.label === row.potential ? marked(context, row.label) : row.label);
  const lists = alike(facets.map((facet) => rows.filter((row) => row.facet === facet).map(nameOf)));
  const namesOf = (facet: string): string[] => lists[facets.indexOf(facet)]!;
  const room = sharedNames(context.width, lists);
  const plots = facets.map((facet) => (width: number, first: boolean): PlotSpec => {
    const own = rows.filter((row) => row.facet === facet);
    const names = namesOf(facet);
    const list = rowPlot(width, names, HEIGHT, { room, first });
    const targets: Target[] = [];
    return {
      ...list,
      title: facet,
      x: { label: chart.axis, log: chart.log, values, guides: chart.guides.filter((guide) => guide.axis === "x").map((guide) => guide.value) },
      guides: chart.guides.filter((guide) => guide.axis === "x"),
      targets,
      draw: (layer, x, y, box) => {
        nameRows(layer, list, names, y, box);
        own.forEach((row, n) => {
          const place = names[n] === nameOf(row) ? n : names.indexOf(nameOf(row));
          const middle = rowMiddle(list, y, place);
          layer.append(...drawRow(row, colourOf(context.page, row.potential), middle, x, chart.log));
          targets.push(targetOf(row, x(row.value), middle, chart, context));
        });
      },
    };
  });
  const most = Math.max(...lists.map((names) => names.length));
  return drawGrid({
    width: context.width,
    plots,
    legend: legendOf(chart, rows),
    name: chart.title,
    what: "estimates",
    least: room ? 200 : leastFor(rows.map(nameOf)),
    lead: room,
    most: 620,
    alone: 760,
    height: (width, plot) => rowPlot(width, rows.map(nameOf), HEIGHT, { room, first: false }).step * Math.max(1, plot.y.domain ? plot.y.domain[0] + 0.5 : most),
  });
}

/** Plots of nearly the same rows have all of them, some empty: then their names stand beside the first alone. */
function alike(lists: string[][]): string[][] {
  const all = [...new Set([...lists].sort((a, b) => b.length - a.length).flat())];
  const near = lists.length > 1 && lists.every((names) => new Set(names).size === names.length && names.length >= 0.6 * all.length);
  return near ? lists.map(() => all) : lists;
}

function drawRow(row: IntervalRow, colour: string, y: number, x: (value: number) => number, log: boolean): SVGElement[] {
  const made: SVGElement[] = [];
  if (row.low !== null && row.high !== null && !(log && row.low <= 0)) {
    made.push(svg("line", { x1: x(row.low), x2: x(row.high), y1: y, y2: y, stroke: colour, "stroke-width": 2 }));
    for (const end of [row.low, row.high]) made.push(svg("line", { x1: x(end), x2: x(end), y1: y - 4, y2: y + 4, stroke: colour, "stroke-width": 2 }));
  }
  made.push(svg("circle", { cx: x(row.value), cy: y, r: 4.5, fill: row.strong ? colour : PAPER, stroke: colour, "stroke-width": 2 }));
  return made;
}

/** What filled and hollow mean, unless the note says it. */
function legendOf(chart: Intervals, rows: IntervalRow[]): LegendEntry[] {
  const mixed = rows.some((row) => row.strong) && rows.some((row) => !row.strong);
  if (!mixed || /filled|hollow/i.test(chart.note)) return [];
  return [
    { name: "counts", colour: INK, shape: 0, look: "shape" },
    { name: "does not count", colour: INK, shape: 0, look: "hollow" },
  ];
}

function targetOf(row: IntervalRow, x: number, y: number, chart: Intervals, context: ChartContext): Target {
  const potentials = context.page.potentials.map((one) => one.name).filter((name) => name === row.potential);
  const groups = [...groupsOf(context.page)].filter(([, name]) => name === row.label || name === row.facet).map(([key]) => key);
  const filters = { ...(potentials.length ? { potentials } : {}), ...(groups.length ? { groups } : {}) };
  return {
    x,
    y,
    radius: 4.5,
    href: potentials.length || groups.length ? context.viewHref({ route: { name: "cells" }, ...filters }) : null,
    same: row.label,
    lines: () => [
      row.label + (row.facet ? `, ${row.facet}` : ""),
      `${chart.axis}: ${number(row.value)}`,
      ...(row.low !== null && row.high !== null ? [`interval ${number(row.low)} to ${number(row.high)}`] : []),
    ],
  };
}
