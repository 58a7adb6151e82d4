// Bands of potentials over the reference, with densities of states beside them on the same axis.

import { drawFacet, type FacetSpec, type Place } from "../charts/facet";
import { INK, QUIET, RULE } from "../charts/looks";
import { html, svg } from "../charts/svg";
import { reach, type Target } from "../charts/targets";
import { colourOf } from "../colour";
import type { Dos, Page } from "../contract";
import { frequencyText, placeOf, stretchesOf, type Path, type Spectrum } from "./bands";
import { decode } from "./packed";

export interface Shown {
  page: Page;
  path: Path | null;
  dos: Dos | null;
  /** Names of the potentials that are drawn. */
  potentials: ReadonlySet<string>;
  width: number;
}

/** Colour of a line: hue of the potential, ink for the reference. */
export function drawBands(shown: Shown): HTMLElement {
  const { path, dos, width } = shown;
  const root = html("div", { class: "sm-chart sm-bands" });
  const row = html("div", { class: "sm-bands-row" });
  root.append(row);
  const height = heightFor(width);
  const frequencies = domainOf(shown);
  const beside = path !== null && dos !== null && dos.curves.length > 0;
  const wide = beside ? Math.round(width * 0.76) - 8 : width;
  const plots: { svg: SVGSVGElement; targets: Target[]; name: string }[] = [];
  if (path) {
    const made = bandFacet(shown, path, wide, height, frequencies);
    row.append(made.svg);
    plots.push(made);
  }
  if (dos?.curves.length) {
    const made = dosFacet(shown, dos, beside ? width - wide - 8 : Math.min(width, 420), height, frequencies, !beside);
    row.append(made.svg);
    plots.push(made);
  }
  reach(root, plots, "frequencies");
  return root;
}

/** Frequencies that are shown, so that axes do not jump when potentials are chosen. */
function domainOf({ path, dos }: Shown): number[] {
  const ends: number[] = [0];
  for (const each of path ? [path.reference, ...path.potentials] : []) {
    for (const band of each?.frequencies ?? []) for (const frequency of band) ends.push(frequency);
  }
  if (!path) for (const curve of dos?.curves ?? []) ends.push(curve.first, curve.first + curve.step * (curve.values.shape[1] - 1));
  return [ends.reduce((a, b) => Math.min(a, b)), ends.reduce((a, b) => Math.max(a, b))];
}

/** A band thinner than this, in pixels, is not seen beside lines. */
const SEEN = 2;

const heightFor = (width: number): number => Math.round(Math.max(280, Math.min(520, 0.62 * width)));

/** Whether the band of a noise, in THz, about zero can be seen. */
export function noiseSeen(shown: Shown, noise: number): boolean {
  const [low, high] = domainOf(shown) as [number, number];
  return (2 * noise * heightFor(shown.width)) / (1.08 * (high - low)) >= SEEN;
}

const imaginary = (value: number): string => (value < 0 ? `${String(Number((-value).toPrecision(6)))}i` : String(Number(value.toPrecision(6))));

function bandFacet(shown: Shown, path: Path, width: number, height: number, frequencies: number[]): { svg: SVGSVGElement; targets: Target[]; name: string } {
  const targets: Target[] = [];
  const first = path.x[0] ?? 0;
  const last = path.x.at(-1) ?? 1;
  const facet = drawFacet({
    title: "",
    width,
    height,
    right: 10,
    x: { label: "", log: false, values: [], guides: [], domain: [first, last], names: apart(path.ticks, last - first, width).map((tick) => ({ at: tick.at, name: tick.label })) },
    y: { label: "Frequency, THz", log: false, values: frequencies, guides: [], tick: imaginary },
    guides: [],
    draw: (layer, x, y, box) => {
      for (const tick of path.ticks) layer.append(svg("line", { x1: x(tick.at), x2: x(tick.at), y1: box.top, y2: box.bottom, stroke: RULE }));
      for (const at of path.breaks) {
        const x0 = x(path.x[at] ?? 0);
        layer.append(svg("line", { x1: x0, x2: x0, y1: box.top, y2: box.bottom, stroke: QUIET, "stroke-width": 1.4 }));
      }
      layer.append(...noiseBands(shown, path, y, box.left, box.right));
      layer.append(svg("line", { x1: box.left, x2: box.right, y1: y(0), y2: y(0), stroke: INK, "stroke-width": 1 }));
      for (const spectrum of drawn(shown, path)) {
        const look = spectrum.potential === null ? { "stroke-width": 2.4, "stroke-opacity": 0.75 } : { "stroke-width": 1.3 };
        layer.append(svg("path", { d: linesOf(path, spectrum, x, y), fill: "none", stroke: colourOf(shown.page, spectrum.potential), "stroke-linejoin": "round", ...look }));
        targets.push(...targetsOf(path, spectrum, x, y));
      }
    },
  });
  return { svg: facet.element, targets, name: "Bands along the path" };
}

/** Reference first, so that potentials lie over it. */
function drawn(shown: Shown, path: Path): Spectrum[] {
  const chosen = path.potentials.filter((each) => shown.potentials.has(each.potential ?? ""));
  return path.reference ? [path.reference, ...chosen] : chosen;
}

/** Names of points that do not stand in one another's way. */
function apart<T extends { at: number }>(ticks: T[], span: number, width: number): T[] {
  const kept: T[] = [];
  for (const tick of ticks) {
    const before = kept.at(-1);
    if (!before || ((tick.at - before.at) / span) * width > 17) kept.push(tick);
  }
  return kept;
}

function noiseBands(shown: Shown, path: Path, y: Place, left: number, right: number): SVGElement[] {
  const made: SVGElement[] = [];
  for (const spectrum of drawn(shown, path)) {
    if (!spectrum.noise) continue;
    const [top, bottom] = [y(spectrum.noise), y(-spectrum.noise)];
    if (bottom - top < SEEN) continue;
    const fill = colourOf(shown.page, spectrum.potential);
    made.push(svg("rect", { x: left, y: top, width: right - left, height: bottom - top, fill, "fill-opacity": 0.13 }));
  }
  return made;
}

function linesOf(path: Path, spectrum: Spectrum, x: Place, y: Place): string {
  const parts: string[] = [];
  const xs = path.x.map((at) => x(at).toFixed(1));
  for (const band of spectrum.frequencies) {
    for (const [from, to] of stretchesOf(path)) {
      for (let at = from; at <= to; at++) parts.push(`${at === from ? "M" : "L"}${xs[at]},${y(band[at]!).toFixed(1)}`);
    }
  }
  return parts.join("");
}

function targetsOf(path: Path, spectrum: Spectrum, x: Place, y: Place): Target[] {
  const targets: Target[] = [];
  spectrum.frequencies.forEach((band, place) => {
    band.forEach((frequency, at) => {
      targets.push({
        x: x(path.x[at]!),
        y: y(frequency),
        radius: 1.5,
        href: null,
        lines: () => {
          const reference = spectrum.potential === null ? undefined : path.reference?.frequencies[place]?.[at];
          return [
            `${spectrum.potential ?? "reference"}: ${frequencyText(frequency)}`,
            ...(reference === undefined ? [] : [`reference: ${frequencyText(reference)}`]),
            `band ${place + 1} of ${spectrum.frequencies.length}, ${placeOf(path, at)}`,
          ];
        },
      });
    });
  });
  return targets;
}

function dosFacet(shown: Shown, dos: Dos, width: number, height: number, frequencies: number[], alone: boolean): { svg: SVGSVGElement; targets: Target[]; name: string } {
  const curves = dos.curves.filter((curve) => curve.potential === null || shown.potentials.has(curve.potential));
  const decoded = curves.map((curve) => ({ ...curve, density: decode(curve.values)[0] ?? new Float64Array() }));
  const most = Math.max(...dos.curves.map((curve) => (decode(curve.values)[0] ?? new Float64Array([1])).reduce((a, b) => Math.max(a, b), 0)), 1e-9);
  const spec: FacetSpec = {
    title: "",
    width,
    height,
    left: alone ? undefined : 4,
    right: 6,
    x: { label: width < 150 ? "States" : "States, per THz and cell", log: false, values: [0, most], guides: [] },
    y: { label: alone ? "Frequency, THz" : " ", log: false, values: frequencies, guides: [], tick: imaginary, bare: !alone },
    guides: [],
    draw: (layer, x, y, box) => {
      layer.append(svg("line", { x1: box.left, x2: box.right, y1: y(0), y2: y(0), stroke: INK, "stroke-width": 1 }));
      for (const { potential, first, step, density } of decoded) {
        const [low, high] = [frequencies[0]! - 0.5, frequencies[1]! + 0.5];
        const points = [...density].map((value, n) => ({ value, at: first + n * step })).filter(({ at }) => at >= low && at <= high);
        const line = points.map(({ value, at }, n) => `${n ? "L" : "M"}${x(value).toFixed(1)},${Math.max(box.top, Math.min(box.bottom, y(at))).toFixed(1)}`).join("");
        if (potential === null && points.length) {
          layer.append(svg("path", { d: `${line}L${x(0)},${y(points.at(-1)!.at).toFixed(1)}L${x(0)},${y(points[0]!.at).toFixed(1)}Z`, fill: INK, "fill-opacity": 0.1 }));
        }
        const look = potential === null ? { "stroke-width": 2, "stroke-opacity": 0.75 } : { "stroke-width": 1.3 };
        layer.append(svg("path", { d: line, fill: "none", stroke: colourOf(shown.page, potential), ...look }));
      }
    },
  };
  return { svg: drawFacet(spec).element, targets: [], name: "Densities of states" };
}
