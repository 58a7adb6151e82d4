// Lines with bands about them; the values at a place on the axis are read off together.

import type { LineSeries, Lines } from "../contract";
import { marked, type ChartContext } from "../context";
import { colourOf } from "../colour";
import { number } from "../format";
import { drawGrid, nothing, type LegendEntry, type PlotSpec } from "./grid";
import { svg } from "./svg";
import type { Target } from "./targets";

/** More places than this on one line are no targets of their own. */
const PLACES = 400;

export function drawLines(chart: Lines, context: ChartContext): HTMLElement {
  const series = chart.series.filter((one) => one.y.some((value) => value !== null && Number.isFinite(value)));
  if (!series.length) return nothing("There is nothing to show.");
  const facets = [...new Set(series.map((one) => one.facet))];
  const looks = looksOf(series, context);
  const many = facets.length > 1;
  const [ownX, ownY] = [xsOf, ysOf].map((of) => spansDiffer(facets.map((facet) => series.filter((one) => one.facet === facet).flatMap(of))));
  const plots = facets.map((facet) => (): PlotSpec => {
    const own = series.filter((one) => one.facet === facet);
    const targets: Target[] = [];
    const alone = own.length === 1 && own[0]?.potential != null && own[0]?.name === facet;
    return {
      title: facet,
      hue: alone && many ? colourOf(context.page, own[0]?.potential ?? null) : undefined,
      x: axisOf(chart, "x", chart.x_label, chart.log_x, (ownX ? own : series).flatMap(xsOf)),
      y: axisOf(chart, "y", chart.y_label, chart.log_y, (ownY ? own : series).flatMap(ysOf)),
      guides: chart.guides,
      targets,
      draw: (layer, x, y) => {
        const holds = (value: number | null, log: boolean): boolean => value !== null && Number.isFinite(value) && !(log && value <= 0);
        for (const one of own) {
          const look = looks.get(one.name) as Look;
          const drawn = one.x.map((at, n) => ({ at, value: one.y[n] ?? null, low: one.low?.[n] ?? null, high: one.high?.[n] ?? null }));
          const stretches = cut(drawn, (place) => holds(place.at, chart.log_x) && holds(place.value, chart.log_y));
          for (const stretch of stretches) {
            if (one.low && one.high) layer.append(...bandOf(stretch.filter((place) => holds(place.low, chart.log_y) && holds(place.high, chart.log_y)), x, y, look.colour));
            const d = stretch.map((place, n) => `${n ? "L" : "M"}${round(x(place.at))},${round(y(place.value as number))}`).join("");
            const line = { d, fill: "none", stroke: look.colour, "stroke-width": one.potential === null ? 2 : 1.8, "stroke-dasharray": look.dashes, "stroke-linejoin": "round" };
            layer.append(svg("path", line));
            if (stretch.length === 1) layer.append(svg("circle", { cx: x(stretch[0]!.at), cy: y(stretch[0]!.value as number), r: 3, fill: look.colour }));
          }
        }
        targets.push(...targetsOf(own, chart, x, y));
      },
    };
  });
  return drawGrid({
    width: context.width,
    plots,
    legend: legendOf(series, looks, facets).map((each) => ({ ...each, name: marked(context, each.name) })),
    name: chart.title,
    what: "places, each with the values there",
    height: (width) => (many ? 0.62 * width : Math.min(420, 0.5 * width)),
    least: 280,
  });
}

const xsOf = (one: LineSeries): (number | null)[] => one.x;
const ysOf = (one: LineSeries): (number | null)[] => [...one.y, ...(one.low ?? []), ...(one.high ?? [])];

/** Plots share an axis unless it would squeeze one of them into a corner. */
export function spansDiffer(values: (number | null)[][]): boolean {
  const spans = values.map((list) => {
    const known = list.filter((value): value is number => value !== null && Number.isFinite(value));
    return known.reduce((a, b) => Math.max(a, b), -Infinity) - known.reduce((a, b) => Math.min(a, b), Infinity);
  });
  return Math.max(...spans) > 4 * Math.min(...spans.filter((span) => span > 0));
}

export function axisOf(chart: { guides: { axis: "x" | "y"; value: number }[] }, axis: "x" | "y", label: string, log: boolean, values: (number | null)[]): PlotSpec["x"] {
  return { label, log, values, guides: chart.guides.filter((guide) => guide.axis === axis).map((guide) => guide.value) };
}

interface Look {
  colour: string;
  dashes: string | undefined;
}

const DASHES = [undefined, "7 3", "2 3", "8 3 2 3", "12 4"];

/** Hue of the potential; several lines of ink are told apart by their dashes. */
function looksOf(series: LineSeries[], context: ChartContext): Map<string, Look> {
  const looks = new Map<string, Look>();
  const used = new Map<string, number>();
  for (const one of series) {
    if (looks.has(one.name)) continue;
    const colour = colourOf(context.page, one.potential);
    const n = used.get(colour) ?? 0;
    used.set(colour, n + 1);
    looks.set(one.name, { colour, dashes: one.dashed && n === 0 ? DASHES[1] : DASHES[n % DASHES.length] });
  }
  return looks;
}

function legendOf(series: LineSeries[], looks: Map<string, Look>, facets: string[]): LegendEntry[] {
  const names = [...looks.keys()];
  if (names.length === 1 && facets.length === 1 && series[0]?.potential === null) return [];
  if (names.length === facets.length && names.every((name) => facets.includes(name))) return [];
  return names.map((name) => {
    const look = looks.get(name) as Look;
    return { name, colour: look.colour, look: look.dashes ? "dashed" : "line" };
  });
}

interface Step {
  at: number;
  value: number | null;
  low: number | null;
  high: number | null;
}

/** Stretches of a list between what does not hold. */
export function cut<T>(list: readonly T[], holds: (item: T) => boolean): T[][] {
  const stretches: T[][] = [];
  let open: T[] | null = null;
  for (const item of list) {
    if (!holds(item)) open = null;
    else if (open) open.push(item);
    else stretches.push((open = [item]));
  }
  return stretches;
}

function bandOf(stretch: Step[], x: (value: number) => number, y: (value: number) => number, colour: string): SVGElement[] {
  if (stretch.length < 2) return [];
  const there = stretch.map((step) => `${round(x(step.at))},${round(y(step.low as number))}`);
  const back = [...stretch].reverse().map((step) => `${round(x(step.at))},${round(y(step.high as number))}`);
  return [svg("path", { d: `M${[...there, ...back].join("L")}Z`, fill: colour, "fill-opacity": 0.16, stroke: "none" })];
}

function targetsOf(own: LineSeries[], chart: Lines, x: (value: number) => number, y: (value: number) => number): Target[] {
  const targets: Target[] = [];
  for (const one of own) {
    const every = Math.max(1, Math.ceil(one.x.length / PLACES));
    one.x.forEach((at, n) => {
      const value = one.y[n] ?? null;
      if (n % every || value === null || !Number.isFinite(value) || (chart.log_y && value <= 0) || (chart.log_x && at <= 0)) return;
      targets.push({ x: x(at), y: y(value), radius: 2, href: null, lines: () => linesAt(own, one, n, chart) });
    });
  }
  return targets;
}

function linesAt(own: LineSeries[], one: LineSeries, n: number, chart: Lines): string[] {
  const at = one.x[n] as number;
  const here = own.map((other) => ({ name: other.name, value: other.y[other.x.indexOf(at)], low: null }));
  const rest = here.filter((other) => other.name !== one.name && other.value != null).map((other) => `${other.name}: ${number(other.value)}`);
  const band = one.low?.[n] != null && one.high?.[n] != null ? ` (${number(one.low[n])} to ${number(one.high[n])})` : "";
  return [`${one.name}: ${number(one.y[n])}${band}`, `${chart.x_label}: ${number(at, 4)}`, ...rest.slice(0, 11)];
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

