// One plot of a chart: axes with their labels and units, lines of guidance, and what is drawn on them.

import * as Plot from "@observablehq/plot";

import type { Guide } from "../contract";
import { INK, PAPER, QUIET, RULE } from "./looks";
import { scaleFor, spellTick, type Scale } from "./numbers";
import { svg } from "./svg";
import { FONT, textWidth, wrap } from "./text";

const SIZE = 12;
const LINE = 15;

/** Turns numbers of an axis into pixels of the plot. */
export type Place = (value: number) => number;

export interface Axis {
  label: string;
  log: boolean;
  values: Iterable<number | null>;
  guides: number[];
  /** Names at places instead of numbers. */
  names?: { at: number; name: string }[];
  /** No axis is drawn; values lie on this domain. */
  domain?: [number, number];
  hidden?: boolean;
  /** Ticks have lines, but no numbers: they stand on the plot beside. */
  bare?: boolean;
  /** How numbers are written. */
  tick?: (value: number) => string;
}

export interface FacetSpec {
  title: string;
  /** Where the title leads to, e.g. to what is chosen of it; none: nowhere. */
  href?: string;
  /** Colour of the bar before the title; none: no bar. */
  hue?: string;
  width: number;
  /** Of the plot itself, without what stands about it. */
  height: number;
  x: Axis;
  y: Axis;
  guides: Guide[];
  equality?: boolean;
  /** Room beside the axes, e.g. for names of rows. */
  left?: number;
  right?: number;
  /** Draws into the plot, in its pixels. */
  draw: (layer: SVGGElement, x: Place, y: Place, box: Box) => void;
}

export interface Box {
  left: number;
  right: number;
  top: number;
  bottom: number;
}

export interface Facet {
  element: SVGSVGElement;
  x: Place;
  y: Place;
  box: Box;
}

export function drawFacet(spec: FacetSpec): Facet {
  const titles = spec.title ? wrap(spec.title, spec.width - (spec.hue ? 16 : 4), SIZE, true) : [];
  const upright = spec.y.label ? wrap(spec.y.label, spec.width - 4, SIZE) : [];
  const across = spec.x.label ? wrap(spec.x.label, spec.width - 8, SIZE) : [];
  const tall = Math.max(24, Math.round(spec.height));
  const yScale = scaleOf(spec.y, tall, 26);
  const widest = spec.y.hidden ? 0 : Math.max(...labels(spec.y, yScale).map((text) => textWidth(text, SIZE)), 8) + 12;
  const [left, right] = [spec.left ?? widest, spec.right ?? 14];
  const xScale = roomyScale(spec.x, spec.width - left - right);
  const flags = flagsOf(spec, xScale, left, right);
  const marginTop = 8 + LINE * (titles.length + upright.length) + (upright.length ? 4 : 0) + 13 * flags.levels;
  const marginBottom = (spec.x.hidden ? 4 : 20) + LINE * across.length + 2;
  const height = tall + marginTop + marginBottom;
  const box = { left, right: spec.width - right, top: marginTop, bottom: height - marginBottom };
  const element = Plot.plot({
    width: spec.width,
    height,
    marginTop,
    marginBottom,
    marginLeft: left,
    marginRight: right,
    style: { fontSize: `${SIZE}px`, fontFamily: FONT, background: "none", overflow: "visible" },
    x: { type: xScale.log ? "log" : "linear", domain: xScale.domain, axis: null },
    y: { type: yScale.log ? "log" : "linear", domain: yScale.domain, axis: null },
    marks: axes(spec, xScale, yScale),
  }) as SVGSVGElement;
  const x = place(element, "x", xScale, box.left, box.right);
  const y = place(element, "y", yScale, box.bottom, box.top);
  element.setAttribute("class", "sm-facet");
  element.setAttribute("font-family", FONT);
  element.setAttribute("font-size", String(SIZE));
  element.querySelector("style")?.remove();
  for (const mark of element.children) {
    mark.removeAttribute("aria-label");
    mark.setAttribute("aria-hidden", "true");
  }
  const head = heads(spec, titles, upright, across, box, height);
  element.append(head);
  if (spec.href && spec.title) element.append(titleLink(spec, titles.length));
  if (spec.equality) element.append(diagonal(xScale, yScale, x, y));
  const layer = svg("g", { "data-part": "data", "text-anchor": "start" });
  element.append(layer, guideLines(spec, flags.at, x, y, box));
  spec.draw(layer, x, y, box);
  return { element, x, y, box };
}

function scaleOf(axis: Axis, pixels: number, gap: number): Scale {
  if (axis.domain) return { domain: axis.domain, ticks: (axis.names ?? []).map((name) => name.at), log: axis.log };
  return scaleFor(axis.values, axis.log, pixels, gap, axis.guides);
}

/** Ticks of the horizontal axis as far apart as their numbers are wide. */
function roomyScale(axis: Axis, pixels: number): Scale {
  const scale = scaleOf(axis, pixels, 40);
  if (axis.names) return scale;
  const widest = Math.max(...labels(axis, scale).map((text) => textWidth(text, SIZE)), 0) + 12;
  return widest > 40 ? scaleOf(axis, pixels, widest) : scale;
}

function labels(axis: Axis, scale: Scale): string[] {
  return axis.names ? axis.names.map((name) => name.name) : scale.ticks.map(axis.tick ?? spellTick);
}

function axes(spec: FacetSpec, x: Scale, y: Scale): Plot.Markish[] {
  const marks: Plot.Markish[] = [];
  const grid = { stroke: RULE, strokeOpacity: 1, strokeWidth: 0.6 };
  const named = (axis: Axis, scale: Scale): { at: number; name: string }[] =>
    axis.names ?? scale.ticks.map((at) => ({ at, name: (axis.tick ?? spellTick)(at) }));
  if (!spec.x.hidden) {
    if (!spec.x.names) marks.push(Plot.ruleX(x.ticks, grid));
    marks.push(Plot.text(named(spec.x, x), { x: "at", text: "name", frameAnchor: "bottom", lineAnchor: "top", dy: 6, fill: QUIET }));
  }
  if (!spec.y.hidden) {
    if (!spec.y.names) marks.push(Plot.ruleY(y.ticks, grid));
    if (!spec.y.bare) marks.push(Plot.text(named(spec.y, y), { y: "at", text: "name", frameAnchor: "left", textAnchor: "end", dx: -6, fill: QUIET }));
  }
  if (!spec.x.hidden && !spec.y.hidden) marks.push(Plot.frame({ stroke: RULE }));
  return marks;
}

function place(element: Element, name: "x" | "y", scale: Scale, from: number, to: number): Place {
  const own = (element as unknown as { scale?: (name: string) => { apply: (value: number) => number } | undefined }).scale?.(name);
  if (own) return (value) => own.apply(value);
  const [low, high] = scale.domain;
  return (value) =>
    from + ((to - from) * (scale.log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low)));
}

function heads(spec: FacetSpec, titles: string[], upright: string[], across: string[], box: Box, height: number): SVGGElement {
  const group = svg("g", { "aria-hidden": "true", fill: INK, "text-anchor": "start" });
  let top = 11;
  if (titles.length && spec.hue) group.append(svg("rect", { x: 1, y: 2, width: 8, height: 11, rx: 2, fill: spec.hue }));
  const title = svg("g", { "font-weight": 600 });
  for (const line of titles) {
    title.append(svg("text", { x: spec.hue ? 14 : 1, y: top }, line));
    top += LINE;
  }
  group.append(title);
  for (const line of upright) {
    group.append(svg("text", { x: 1, y: top, fill: QUIET }, line));
    top += LINE;
  }
  let bottom = height - 4 - LINE * (across.length - 1);
  for (const line of across) {
    const half = textWidth(line, SIZE) / 2;
    const middle = Math.min(Math.max((box.left + box.right) / 2, half + 1), spec.width - half - 1);
    group.append(svg("text", { x: middle, y: bottom, "text-anchor": "middle", fill: QUIET }, line));
    bottom += LINE;
  }
  return group;
}

/** Over the title, so that it can be pressed and reached by keys. */
function titleLink(spec: FacetSpec, lines: number): SVGElement {
  const area = svg("rect", { x: 0, y: 0, width: spec.width - 1, height: LINE * lines + 1, fill: "transparent" });
  return svg("a", { href: spec.href, class: "sm-title", "aria-label": `Only ${spec.title}`, "data-part": "aid" }, svg("title", {}, `Only ${spec.title}`), area);
}

function diagonal(xScale: Scale, yScale: Scale, x: Place, y: Place): SVGElement {
  const low = Math.max(xScale.domain[0], yScale.domain[0]);
  const high = Math.min(xScale.domain[1], yScale.domain[1]);
  if (low >= high) return svg("g");
  return svg("line", { x1: x(low), y1: y(low), x2: x(high), y2: y(high), stroke: INK, "stroke-width": 1, "stroke-dasharray": "none", opacity: 0.6 });
}

interface Flag {
  level: number;
  x: number;
}

/** Where names of vertical guides stand above the plot: on as many levels as keep them apart. */
function flagsOf(spec: FacetSpec, scale: Scale, left: number, right: number): { levels: number; at: Map<Guide, Flag> } {
  const at = new Map<Guide, Flag>();
  const ends: number[] = [];
  const span = spec.width - left - right;
  const [low, high] = scale.domain;
  for (const guide of spec.guides.filter((one) => one.axis === "x" && one.label).sort((a, b) => a.value - b.value)) {
    const share = scale.log ? Math.log(guide.value / low) / Math.log(high / low) : (guide.value - low) / (high - low);
    const width = textWidth(guide.label, 11);
    const x = Math.max(1, Math.min(left + share * span - width / 2, spec.width - width - 1));
    let level = ends.findIndex((end) => end + 8 <= x);
    if (level < 0) level = ends.length;
    ends[level] = x + width;
    at.set(guide, { level, x });
  }
  return { levels: ends.length, at };
}

function guideLines(spec: FacetSpec, flags: Map<Guide, Flag>, x: Place, y: Place, box: Box): SVGGElement {
  const group = svg("g", { "aria-hidden": "true" });
  const line = { stroke: INK, "stroke-width": 1, "stroke-dasharray": "4 3", opacity: 0.75 };
  for (const guide of spec.guides) {
    if (guide.axis === "x") {
      const at = x(guide.value);
      group.append(svg("line", { ...line, x1: at, x2: at, y1: box.top, y2: box.bottom }));
      const flag = flags.get(guide);
      if (flag) group.append(svg("text", { x: flag.x, y: box.top - 4 - 13 * flag.level, fill: QUIET, "font-size": 11, "text-anchor": "start" }, guide.label));
    } else {
      const at = y(guide.value);
      group.append(svg("line", { ...line, x1: box.left, x2: box.right, y1: at, y2: at }));
      const halo = { fill: QUIET, stroke: PAPER, "stroke-width": 3, "paint-order": "stroke", "font-size": 11, "text-anchor": "end" };
      if (guide.label) group.append(svg("text", { ...halo, x: box.right - 4, y: at - 4 < box.top + 10 ? at + 13 : at - 4 }, guide.label));
    }
  }
  return group;
}
