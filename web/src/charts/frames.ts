// Frames of trajectories as points of a map; the structure of the one pointed at is shown beside it.

import type { Frames } from "../contract";
import type { ChartContext } from "../context";
import { colourOf } from "../colour";
import { decode } from "../material/packed";
import { StructureView } from "../material/structure_view";
import { number } from "../format";
import { drawGrid, nothing, type LegendEntry, type PlotSpec } from "./grid";
import { INK, N_STEPS, QUIET, ramp } from "./looks";
import { quantile, spellTick } from "./numbers";
import { html, shape, svg } from "./svg";
import type { Target } from "./targets";

type Colouring = "trajectory" | "sigma";

export function drawFrames(chart: Frames, context: ChartContext): HTMLElement {
  if (!chart.x.length) return nothing("There are no frames to show.");
  const root = html("div", { class: "sm-chart sm-frames" });
  const beside = chart.structures.length > 0;
  const wide = context.width >= 720;
  const room = beside && wide ? Math.min(820, context.width - 360) : context.width;
  const map = html("div", { class: "sm-frames-map" });
  const view = beside ? structureBeside(chart, context) : null;
  const redraw = (colouring: Colouring): void => {
    map.replaceChildren(drawMap(chart, { ...context, width: room }, colouring, (point) => view?.show(point)));
  };
  if (chart.sigma?.some((value) => value !== null)) root.append(choice(redraw));
  redraw("trajectory");
  const both = html("div", { class: wide ? "sm-beside" : "" }, map);
  if (view) both.append(view.element);
  root.append(both);
  return root;
}

/** Two buttons: colour by trajectory, or by σ(t). */
function choice(redraw: (colouring: Colouring) => void): HTMLElement {
  const names: [Colouring, string][] = [["trajectory", "Colour: trajectory"], ["sigma", "Colour: σ(t)"]];
  const buttons = names.map(([colouring, name], place) => {
    const button = html("button", { type: "button", "aria-pressed": String(place === 0) }, name);
    button.addEventListener("click", () => {
      for (const other of buttons) other.setAttribute("aria-pressed", String(other === button));
      redraw(colouring);
    });
    return button;
  });
  return html("div", { class: "sm-buttons", role: "group", "aria-label": "Colour of points" }, ...buttons);
}

function drawMap(chart: Frames, context: ChartContext, colouring: Colouring, chosen: (point: number) => void): HTMLElement {
  const targets: Target[] = [];
  const shapes = colouring === "trajectory" ? shapesOf(chart) : chart.clouds.map((_, cloud) => cloud);
  const scale = sigmaScale(chart);
  const radius = chart.x.length > 2000 ? 2 : chart.x.length > 400 ? 2.8 : 3.6;
  const plot = (): PlotSpec => ({
    title: "",
    x: { label: chart.x_label, log: false, values: chart.x, guides: [] },
    y: { label: chart.y_label, log: false, values: chart.y, guides: [] },
    guides: [],
    targets,
    draw: (layer, x, y) => {
      const d = new Map<string, string>();
      chart.x.forEach((value, point) => {
        const cloud = chart.cloud[point] as number;
        const sigma = chart.sigma?.[point] ?? null;
        const fill = colouring === "trajectory" ? colourOf(context.page, chart.potentials[cloud] ?? null) : sigma === null ? QUIET : scale(sigma);
        const at = [x(value), y(chart.y[point] as number)] as const;
        d.set(fill, (d.get(fill) ?? "") + shape(shapes[cloud] ?? 0, radius, ...at));
        targets.push({ x: at[0], y: at[1], radius, href: null, lines: () => linesOf(chart, point) });
      });
      const stroke = colouring === "trajectory" ? { stroke: "var(--page)", "stroke-width": 0.4 } : { stroke: QUIET, "stroke-width": 0.4 };
      for (const [fill, path] of d) layer.append(svg("path", { d: path, fill, "fill-opacity": 0.8, ...stroke }));
    },
  });
  const clouds = chart.clouds.map((name, cloud): LegendEntry => ({
    name, shape: shapes[cloud] ?? 0, colour: colouring === "trajectory" ? colourOf(context.page, chart.potentials[cloud] ?? null) : INK,
  }));
  const drawn = drawGrid({
    width: context.width, plots: [plot], legend: clouds, name: chart.title, what: "frames", alone: 820,
    height: (width) => Math.min(520, 0.75 * width),
    chosen: (_, point) => chosen(point),
  });
  if (colouring === "sigma") drawn.insertBefore(sigmaKey(chart), drawn.querySelector(".sm-grid"));
  return drawn;
}

/** Trajectories that share a hue (all those of the reference are ink) differ in shape. */
function shapesOf(chart: Frames): number[] {
  const used = new Map<string | null, number>();
  return chart.clouds.map((_, cloud) => {
    const hue = chart.potentials[cloud] ?? null;
    const n = used.get(hue) ?? 0;
    used.set(hue, n + 1);
    return n;
  });
}

/** From the 2nd to the 98th percentile, so that one frame does not take the whole ramp. */
function sigmaRange(chart: Frames): [number, number] {
  const known = (chart.sigma ?? []).filter((value): value is number => value !== null).sort((a, b) => a - b);
  return known.length ? [quantile(known, 0.02), quantile(known, 0.98)] : [0, 1];
}

function sigmaScale(chart: Frames): (sigma: number) => string {
  const [low, high] = sigmaRange(chart);
  return (sigma) => ramp(high > low ? (sigma - low) / (high - low) : 0.5).fill;
}

function sigmaKey(chart: Frames): HTMLElement {
  const [low, high] = sigmaRange(chart);
  const bar = svg("svg", { width: 12 * N_STEPS, height: 12, viewBox: `0 0 ${12 * N_STEPS} 12`, "aria-hidden": "true" });
  for (let step = 0; step < N_STEPS; step++) bar.append(svg("rect", { x: 12 * step, y: 0, width: 12, height: 12, fill: `var(--ramp-${step})` }));
  return html("p", { class: "sm-scale" }, "σ(t): ", `${number(low)} or less`, bar, `${number(high)} or more`);
}

function linesOf(chart: Frames, point: number): string[] {
  const sigma = chart.sigma?.[point] ?? null;
  return [
    chart.clouds[chart.cloud[point] as number] ?? "",
    `run ${spellTick(chart.run[point] as number)}, frame ${spellTick(chart.frame[point] as number)}`,
    ...(sigma === null ? [] : [`σ(t): ${number(sigma)}`]),
  ];
}

/** The structure of a frame: the k-th row of its cloud is the k-th of the cloud's points. */
function structureBeside(chart: Frames, context: ChartContext): { element: HTMLElement; show: (point: number) => void } {
  const title = html("p", { class: "sm-frames-title", "aria-live": "polite" }, "");
  const view = new StructureView(context.width < 720 ? Math.min(context.width, 360) : 340, 340);
  const rows = new Map<number, Float64Array[]>();
  const counts: number[] = [];
  const rowOf = chart.cloud.map((cloud) => (counts[cloud] = (counts[cloud] ?? -1) + 1));
  let shown = -1;
  const show = (point: number): void => {
    if (point === shown) return;
    shown = point;
    const cloud = chart.cloud[point] as number;
    const source = chart.structures[cloud];
    if (!source) return;
    if (!rows.has(cloud)) rows.set(cloud, decode(source.coordinates));
    const row = rows.get(cloud)?.[rowOf[point] as number];
    if (!row) return;
    const positions = source.symbols.map((_, atom) => [row[3 * atom] ?? 0, row[3 * atom + 1] ?? 0, row[3 * atom + 2] ?? 0]);
    title.textContent = linesOf(chart, point).join(", ");
    view.show({ lattice: source.lattice, symbols: source.symbols, positions }, [1, 1, 1], false);
  };
  show(0);
  return { element: html("div", { class: "sm-frames-structure" }, title, view.element), show };
}
