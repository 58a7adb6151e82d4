// What pointer and keyboard find on a chart: one tab stop, arrow keys from target to target, Enter follows its link.

import { INK, PAPER } from "./looks";
import { html, svg } from "./svg";

export interface Target {
  x: number;
  y: number;
  /** Size of a field about (x, y); none: a point. */
  width?: number;
  height?: number;
  /** Where it leads to; null: nowhere. */
  href: string | null;
  /** Lines shown beside it, and read out; the first is what it is. */
  lines: () => string[];
  /** Targets of the same thing light up together. */
  same?: string;
  radius?: number;
}

interface Layer {
  svg: SVGSVGElement;
  targets: Target[];
  link: SVGAElement;
  twins: SVGGElement;
}

const REACH = 22;

/** Makes the targets of a chart's plots reachable; `chosen` is told of the target that is pointed at. */
export function reach(
  root: HTMLElement,
  plots: { svg: SVGSVGElement; targets: Target[]; name: string }[],
  what: string,
  chosen: (plot: number, target: number) => void = () => {},
): void {
  const tip = html("div", { class: "sm-tip", "aria-hidden": "true", hidden: "" });
  const layers: Layer[] = [];
  let current = -1;
  const stops = plots.filter((plot) => plot.targets.length).length;
  for (const plot of plots) {
    const twins = svg("g", { "aria-hidden": "true", "data-part": "aid" });
    const link = svg("a", { class: "sm-target", "data-part": "aid" });
    const place = layers.length;
    layers.push({ svg: plot.svg, targets: plot.targets, link, twins });
    if (!plot.targets.length) {
      plot.svg.setAttribute("role", "img");
      plot.svg.setAttribute("aria-label", plot.name);
      continue;
    }
    plot.svg.append(twins, link);
    plot.svg.setAttribute("role", "application");
    plot.svg.setAttribute("aria-roledescription", "chart");
    plot.svg.setAttribute(
      "aria-label",
      `${plot.name}. ${plot.targets.length} ${what}; arrow keys lead from one to the next` +
        (stops > 1 ? ", page keys from plot to plot." : "."),
    );
    listen(place, plot.targets);
  }
  root.append(tip);
  const first = layers.findIndex((layer) => layer.targets.length);
  if (first >= 0) for (const layer of layers.slice(first)) if (layer.targets.length) aim(layer, 0, layer === layers[first]);

  /** Puts the link on a target, in words and in place. */
  function aim(layer: Layer, place: number, stop: boolean): void {
    const target = layer.targets[place];
    if (!target) return;
    const { link } = layer;
    link.setAttribute("tabindex", stop ? "0" : "-1");
    // A press focuses it: what is pressed must not be replaced before it is let go.
    if (link.dataset.place === String(place)) return;
    link.dataset.place = String(place);
    if (target.href === null) {
      link.removeAttribute("href");
      link.setAttribute("role", "img");
    } else {
      link.setAttribute("href", target.href);
      link.removeAttribute("role");
    }
    link.setAttribute("aria-label", target.lines().join(", "));
    link.replaceChildren(...ring(target));
  }

  function show(at: number, place: number): void {
    const layer = layers[at] as Layer;
    const target = layer.targets[place] as Target;
    current = at;
    for (const each of layers) {
      each.twins.replaceChildren();
      each.link.setAttribute("tabindex", each === layer ? "0" : "-1");
      each.link.classList.toggle("sm-on", each === layer);
      if (target.same === undefined) continue;
      for (const twin of each.targets) if (twin.same === target.same && twin !== target) each.twins.append(...ring(twin).slice(0, 2));
    }
    aim(layer, place, true);
    tip.replaceChildren(...target.lines().map((line, n) => html(n ? "span" : "strong", {}, line)));
    tip.hidden = false;
    moor(layer, target);
    chosen(at, place);
  }

  function moor(layer: Layer, target: Target): void {
    const outer = root.getBoundingClientRect();
    const inner = layer.svg.getBoundingClientRect();
    const zoom = inner.width / (layer.svg.viewBox?.baseVal?.width || inner.width || 1);
    const x = inner.left - outer.left + target.x * zoom;
    const y = inner.top - outer.top + target.y * zoom;
    const reach = 12 + (target.height ?? 0) / 2;
    const left = Math.max(0, Math.min(x - tip.offsetWidth / 2, outer.width - tip.offsetWidth));
    const above = y - tip.offsetHeight - reach;
    tip.style.left = `${left}px`;
    tip.style.top = `${inner.top + (above - (inner.top - outer.top)) > 0 ? above : y + reach}px`;
  }

  function hide(): void {
    tip.hidden = true;
    current = -1;
    for (const layer of layers) {
      layer.twins.replaceChildren();
      layer.link.classList.remove("sm-on");
    }
  }

  function listen(at: number, targets: Target[]): void {
    const layer = layers[at] as Layer;
    const find = (event: PointerEvent): void => {
      const box = layer.svg.getBoundingClientRect();
      const zoom = (layer.svg.viewBox?.baseVal?.width || box.width) / (box.width || 1);
      const place = nearest(targets, (event.clientX - box.left) * zoom, (event.clientY - box.top) * zoom);
      if (place >= 0 && at === current && Number(layer.link.dataset.place) === place && !tip.hidden) return;
      if (place >= 0) show(at, place);
      else if (!layer.svg.contains(document.activeElement)) hide();
    };
    layer.svg.addEventListener("pointermove", find);
    layer.svg.addEventListener("pointerdown", find);
    layer.svg.addEventListener("pointerleave", () => {
      if (!layer.svg.contains(document.activeElement) && current === at) hide();
    });
    layer.link.addEventListener("focus", () => show(at, Number(layer.link.dataset.place ?? 0)));
    layer.link.addEventListener("blur", hide);
    layer.link.addEventListener("keydown", (event) => {
      const step = onKey(event, at, Number(layer.link.dataset.place ?? 0));
      if (!step) return;
      event.preventDefault();
      event.stopPropagation();
      if (step.at !== at) aim(layers[step.at] as Layer, step.place, true);
      if (step.at !== at) (layers[step.at] as Layer).link.focus({ preventScroll: false });
      else show(at, step.place);
    });
  }

  function onKey(event: KeyboardEvent, at: number, place: number): { at: number; place: number } | null {
    if (event.key === "Escape") {
      tip.hidden = true;
      return null;
    }
    if (event.key === "PageDown" || event.key === "PageUp") {
      const step = event.key === "PageDown" ? 1 : -1;
      for (let next = at + step; next >= 0 && next < layers.length; next += step) {
        const layer = layers[next] as Layer;
        if (layer.targets.length) return { at: next, place: Number(layer.link.dataset.place ?? 0) };
      }
      return null;
    }
    const next = walk((layers[at] as Layer).targets, place, event.key);
    return next === null ? null : { at, place: next };
  }
}

function ring(target: Target): SVGElement[] {
  if (target.width !== undefined && target.height !== undefined) {
    const box = { x: target.x - target.width / 2, y: target.y - target.height / 2, width: target.width, height: target.height };
    return [svg("rect", { ...box, fill: "transparent", stroke: PAPER, "stroke-width": 4 }), svg("rect", { ...box, fill: "transparent", stroke: INK, "stroke-width": 2 })];
  }
  const at = { cx: target.x, cy: target.y, fill: "none" };
  const r = (target.radius ?? 4) + 3;
  return [
    svg("circle", { ...at, r, stroke: PAPER, "stroke-width": 4 }),
    svg("circle", { ...at, r, stroke: INK, "stroke-width": 2 }),
    svg("circle", { ...at, r: REACH, fill: "transparent" }),
  ];
}

/** The target at (x, y): the field it lies in, or the nearest point within reach; -1: none. */
export function nearest(targets: readonly Target[], x: number, y: number): number {
  let best = REACH * REACH;
  let found = -1;
  for (let place = 0; place < targets.length; place++) {
    const target = targets[place] as Target;
    const dx = Math.max(0, Math.abs(target.x - x) - (target.width ?? 0) / 2);
    const dy = Math.max(0, Math.abs(target.y - y) - (target.height ?? 0) / 2);
    const distance = dx * dx + dy * dy;
    const within = target.width === undefined ? best : Math.min(best, 1);
    if (distance < within) [best, found] = [distance, place];
  }
  return found;
}

/** Where a key leads to from the target at `place`; null: the key means nothing here. */
export function walk(targets: readonly Target[], place: number, key: string): number | null {
  const horizontal = key === "ArrowRight" || key === "ArrowLeft";
  const forward = key === "ArrowRight" || key === "ArrowUp" || key === "End";
  if (!["ArrowRight", "ArrowLeft", "ArrowUp", "ArrowDown", "Home", "End"].includes(key)) return null;
  const from = targets[place];
  if (!from) return targets.length ? 0 : null;
  const fields = from.width !== undefined;
  const along = (target: Target): number => (horizontal || key === "Home" || key === "End" ? target.x : -target.y);
  const order = (a: number, b: number): number => {
    const [p, q] = [targets[a] as Target, targets[b] as Target];
    return along(p) - along(q) || p.x - q.x || p.y - q.y || a - b;
  };
  let best: number | null = null;
  for (let other = 0; other < targets.length; other++) {
    const target = targets[other] as Target;
    if (key === "Home" || key === "End") {
      if (best === null || (forward ? order(other, best) > 0 : order(other, best) < 0)) best = other;
      continue;
    }
    if (other === place) continue;
    // Fields stand in rows and columns: arrow keys stay in them.
    if (fields && Math.abs(horizontal ? target.y - from.y : target.x - from.x) > 2) continue;
    const ahead = forward ? order(other, place) > 0 : order(other, place) < 0;
    if (!ahead) continue;
    if (best === null || (forward ? order(other, best) < 0 : order(other, best) > 0)) best = other;
  }
  return best ?? place;
}
