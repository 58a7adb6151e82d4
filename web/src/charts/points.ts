// Points with their own numbers: parity, one estimate against another, what each of a list gives.

import type { Points, PointSeries } from "../contract";
import { marked, type ChartContext } from "../context";
import { colourOf, groupsOf } from "../colour";
import { number } from "../format";
import { drawGrid, nothing, shapeKeys, type LegendEntry, type PlotSpec } from "./grid";
import { axisOf } from "./lines";
import { shape, svg } from "./svg";
import type { Target } from "./targets";
import { told } from "./told";

export function drawPoints(chart: Points, context: ChartContext): HTMLElement {
  const holds = (value: number, log: boolean): boolean => Number.isFinite(value) && !(log && value <= 0);
  const n = chart.series.reduce((sum, one) => sum + one.x.length, 0);
  const places = chart.series.map((one) => one.x.map((_, k) => k).filter((k) => holds(one.x[k] as number, chart.log_x) && holds(one.y[k] as number, chart.log_y)));
  if (!places.some((list) => list.length)) return nothing("There is nothing to show.");
  const facets = [...new Set(chart.series.map((one) => one.facet))];
  const shapes = shapesOf(chart, context);
  const plots = facets.map((facet) => (): PlotSpec => {
    const targets: Target[] = [];
    const own = chart.series.map((one, place) => ({ one, list: places[place] as number[] })).filter(({ one }) => one.facet === facet);
    const alone = own.length === 1 && own[0]?.one.potential != null && own[0]?.one.name === facet;
    return {
      title: facet,
      hue: alone && facets.length > 1 ? colourOf(context.page, own[0]?.one.potential ?? null) : undefined,
      x: axisOf(chart, "x", chart.x_label, chart.log_x, chart.series.flatMap((one) => one.x)),
      y: axisOf(chart, "y", chart.y_label, chart.log_y, chart.series.flatMap((one) => [...one.y, ...(one.low ?? []), ...(one.high ?? [])])),
      guides: chart.guides,
      equality: chart.equality,
      targets,
      draw: (layer, x, y) => {
        const radius = n > 2000 ? 2 : n > 300 ? 2.6 : n > 60 ? 3.4 : 4.5;
        for (const { one, list } of own) {
          const colour = colourOf(context.page, one.potential);
          layer.append(svg("path", { d: barsOf(one, list, chart, x, y), fill: "none", stroke: colour, "stroke-width": 1.3, "stroke-opacity": 0.8 }));
          const d = list.map((k) => shape(shapes(one, k), radius, x(one.x[k] as number), y(one.y[k] as number))).join("");
          layer.append(svg("path", { d, fill: colour, "fill-opacity": n > 300 ? 0.65 : 0.85, stroke: "var(--page)", "stroke-width": n > 300 ? 0.3 : 0.7 }));
          for (const k of list) targets.push(targetOf(one, k, x(one.x[k] as number), y(one.y[k] as number), radius, chart, context));
        }
      },
    };
  });
  return drawGrid({
    width: context.width,
    plots,
    legend: legendOf(chart, context, facets, shapes).map((each) => ({ ...each, name: marked(context, each.name) })),
    name: chart.title,
    what: "points",
    least: 250,
    height: (width) => (facets.length > 1 ? 0.72 * width : chart.equality ? Math.min(520, 0.8 * width) : Math.min(440, 0.6 * width)),
    alone: chart.equality ? 660 : 820,
  });
}

function barsOf(one: PointSeries, list: number[], chart: Points, x: (value: number) => number, y: (value: number) => number): string {
  let d = "";
  for (const k of list) {
    const [low, high] = [one.low?.[k] ?? null, one.high?.[k] ?? null];
    if (low === null || high === null || (chart.log_y && low <= 0)) continue;
    d += `M${x(one.x[k] as number).toFixed(1)},${y(low).toFixed(1)}V${y(high).toFixed(1)}`;
  }
  return d;
}

type ShapeOf = (one: PointSeries, k: number) => number;

/** The shape of the material's group; for series of one colour that lead nowhere, a shape for each. */
function shapesOf(chart: Points, context: ChartContext): ShapeOf {
  const groups = [...groupsOf(context.page).keys()];
  const groupOf = new Map(context.page.materials.map((one) => [one.name, groups.indexOf(one.group)]));
  const inks = [...new Set(chart.series.filter((one) => one.potential === null && !one.materials).map((one) => one.name))];
  return (one, k) => {
    const name = one.materials?.[k];
    if (name != null) return Math.max(0, groupOf.get(name) ?? 0);
    return one.potential === null && !one.materials ? inks.indexOf(one.name) : 0;
  };
}

function legendOf(chart: Points, context: ChartContext, facets: string[], shapes: ShapeOf): LegendEntry[] {
  const seen = new Map<string, PointSeries>();
  for (const one of chart.series) if (!seen.has(one.name)) seen.set(one.name, one);
  const named = [...seen.values()].map((one): LegendEntry => ({
    name: one.name, colour: colourOf(context.page, one.potential), shape: one.potential === null && !one.materials ? shapes(one, 0) : 0,
  }));
  const plain = named.length === 1 && facets.length === 1 && chart.series[0]?.potential === null;
  const heads = named.length > 1 && named.length === facets.length && named.every((entry) => facets.includes(entry.name));
  const present = new Set(chart.series.flatMap((one) => (one.materials ?? []).filter((name) => name !== null)));
  const keys = shapeKeys(groupsOf(context.page)).filter((_, place) =>
    context.page.materials.some((one) => present.has(one.name) && [...groupsOf(context.page).keys()].indexOf(one.group) === place),
  );
  return [...(plain || heads ? [] : named), ...(keys.length > 1 ? keys : [])];
}

function targetOf(one: PointSeries, k: number, x: number, y: number, radius: number, chart: Points, context: ChartContext): Target {
  const name = one.materials?.[k] ?? null;
  return {
    x,
    y,
    radius,
    href: name !== null && context.page.materials.some((material) => material.name === name) ? context.materialHref(name, one.potential ?? undefined) : null,
    same: name ?? undefined,
    lines: () => {
      const bar = one.low?.[k] != null && one.high?.[k] != null ? ` (${number(one.low[k])} to ${number(one.high[k])})` : "";
      const head = one.texts[k] || [name, one.name].filter(Boolean).join(", ") || chart.title;
      return [head, ...(one.name && !head.includes(one.name) ? [one.name] : []), told(chart.x_label, one.x[k] ?? null), `${told(chart.y_label, one.y[k] ?? null)}${bar}`];
    },
  };
}
