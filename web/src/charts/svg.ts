// Small helpers to make elements; text is always text.

const SVG = "http://www.w3.org/2000/svg";

type Attributes = Record<string, string | number | null | undefined>;

export function svg<K extends keyof SVGElementTagNameMap>(name: K, attributes: Attributes = {}, ...children: (Node | string)[]): SVGElementTagNameMap[K] {
  const element = document.createElementNS(SVG, name) as SVGElementTagNameMap[K];
  return fill(element, attributes, children);
}

export function html<K extends keyof HTMLElementTagNameMap>(name: K, attributes: Attributes = {}, ...children: (Node | string)[]): HTMLElementTagNameMap[K] {
  return fill(document.createElement(name), attributes, children);
}

function fill<E extends Element>(element: E, attributes: Attributes, children: (Node | string)[]): E {
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null && value !== undefined) element.setAttribute(key, String(value));
  }
  element.append(...children);
  return element;
}

/** Paths of the shapes of groups about the origin, of about equal area, in the order of style.MARKERS. */
const SHAPES: ((r: number, x: number, y: number) => string)[] = [
  (r, x, y) => `M${n(x - r)},${n(y)}a${n(r)},${n(r)} 0 1,0 ${n(2 * r)},0a${n(r)},${n(r)} 0 1,0 ${n(-2 * r)},0Z`,
  (r, x, y) => `M${n(x - 0.88 * r)},${n(y - 0.88 * r)}h${n(1.76 * r)}v${n(1.76 * r)}h${n(-1.76 * r)}Z`,
  (r, x, y) => `M${n(x)},${n(y - 1.3 * r)}l${n(1.2 * r)},${n(2.1 * r)}h${n(-2.4 * r)}Z`,
  (r, x, y) => `M${n(x)},${n(y - 1.3 * r)}l${n(1.1 * r)},${n(1.3 * r)}l${n(-1.1 * r)},${n(1.3 * r)}l${n(-1.1 * r)},${n(-1.3 * r)}Z`,
  (r, x, y) => `M${n(x)},${n(y + 1.3 * r)}l${n(1.2 * r)},${n(-2.1 * r)}h${n(-2.4 * r)}Z`,
  (r, x, y) => {
    const a = 0.42 * r;
    const b = 1.2 * r - a;
    return `M${n(x - a)},${n(y - a)}v${n(-b)}h${n(2 * a)}v${n(b)}h${n(b)}v${n(2 * a)}h${n(-b)}v${n(b)}h${n(-2 * a)}v${n(-b)}h${n(-b)}v${n(-2 * a)}Z`;
  },
  (r, x, y) => {
    const a = 0.55 * r;
    const b = 0.75 * r;
    return `M${n(x)},${n(y - a)}l${n(b)},${n(-b)}l${n(a)},${n(a)}l${n(-b)},${n(b)}l${n(b)},${n(b)}l${n(-a)},${n(a)}l${n(-b)},${n(-b)}l${n(-b)},${n(b)}l${n(-a)},${n(-a)}l${n(b)},${n(-b)}l${n(-b)},${n(-b)}l${n(a)},${n(-a)}Z`;
  },
];

export const SHAPE_NAMES = ["circle", "square", "triangle", "diamond", "triangle down", "cross", "x"];

/** The shape of the group at `place`, of radius `r`, about (x, y). */
export function shape(place: number, r: number, x: number, y: number): string {
  return (SHAPES[place % SHAPES.length] as (typeof SHAPES)[0])(r, x, y);
}

function n(value: number): number {
  return Math.round(value * 100) / 100;
}
