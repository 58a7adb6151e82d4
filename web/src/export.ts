// Files that readers take away: charts as SVG and PNG, numbers as CSV. Always light, whatever the page is.
import { drawChart } from "./charts/draw";
import type { Chart } from "./contract";
import type { ChartContext } from "./context";

export function save(name: string, content: string | Blob, type = "text/plain"): void {
  const blob = content instanceof Blob ? content : new Blob([content], { type: `${type};charset=utf-8` });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name.replace(/[^\w.+-]+/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

const DRAWN = 800;
const MARGIN = 16;
const WIDTH = DRAWN + 2 * MARGIN;

/** A chart drawn by itself, its styles within it. */
export function chartSvg(chart: Chart, context: ChartContext): SVGSVGElement {
  const stage = document.createElement("div");
  stage.className = "stage chart";
  stage.dataset.theme = "light";
  stage.style.width = `${WIDTH}px`;
  stage.style.padding = `${MARGIN}px`;
  document.body.append(stage);
  try {
    const title = document.createElement("b");
    title.textContent = chart.title;
    stage.append(title, drawChart(chart, { ...context, width: DRAWN }));
    return composed(stage);
  } finally {
    stage.remove();
  }
}

const SVG = "http://www.w3.org/2000/svg";
const INHERITED = [
  ...["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-opacity", "stroke-linecap", "stroke-linejoin"],
  ...["font-family", "font-size", "font-weight", "font-style", "font-variant-numeric", "text-anchor", "paint-order"],
];
const OWN = { opacity: "1", "dominant-baseline": "auto" };

/** All pictures and texts of a stage in one picture, each where it stands. */
function composed(stage: HTMLElement): SVGSVGElement {
  const origin = stage.getBoundingClientRect();
  const whole = document.createElementNS(SVG, "svg");
  const height = Math.ceil(origin.height);
  for (const [name, value] of Object.entries({ xmlns: SVG, width: WIDTH, height, viewBox: `0 0 ${WIDTH} ${height}` })) whole.setAttribute(name, String(value));
  const ground = whole.appendChild(document.createElementNS(SVG, "rect"));
  for (const [name, value] of Object.entries({ width: WIDTH, height, fill: "#ffffff" })) ground.setAttribute(name, String(value));
  for (const picture of stage.querySelectorAll("svg")) {
    if (picture.parentElement?.closest("svg")) continue;
    const at = picture.getBoundingClientRect();
    if (!at.width) continue;
    const copy = picture.cloneNode(true) as SVGSVGElement;
    inline(picture, copy, null);
    for (const [name, value] of Object.entries({ x: at.x - origin.x, y: at.y - origin.y, width: at.width, height: at.height })) copy.setAttribute(name, String(value));
    whole.append(copy);
  }
  for (const text of textsOf(stage)) whole.append(text(origin));
  return whole;
}

/** Writes into a copy what style sheets say of the original, and leaves out what is not seen. */
function inline(from: Element, to: Element, above: CSSStyleDeclaration | null): void {
  const style = getComputedStyle(from);
  if (style.opacity === "0" || style.display === "none" || from.localName === "style") return to.remove();
  const value = (name: string) => style.getPropertyValue(name);
  const names = [
    ...INHERITED.filter((name) => value(name) !== above?.getPropertyValue(name)),
    ...Object.entries(OWN).flatMap(([name, initial]) => (value(name) === initial ? [] : [name])),
  ];
  // What a style sheet's variable says stands in the style, or is inherited.
  for (const { name, value: text } of [...to.attributes])
    if (/^(class|style|tabindex|role|href)$|^(aria|data)-/.test(name) || /var\(|currentcolor/i.test(text)) to.removeAttribute(name);
  if (names.length) to.setAttribute("style", names.map((name) => `${name}:${value(name)}`).join(";"));
  const copies = [...to.children];
  [...from.children].forEach((child, i) => inline(child, copies[i]!, style));
}

/** Texts outside of pictures: legends. */
function textsOf(stage: HTMLElement): ((origin: DOMRect) => SVGTextElement)[] {
  const found: ((origin: DOMRect) => SVGTextElement)[] = [];
  const walker = document.createTreeWalker(stage, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const parent = node.parentElement!;
    if (parent.closest("svg, style, .unseen") || !node.textContent?.trim()) continue;
    const range = document.createRange();
    range.selectNodeContents(node);
    const [at, style, words] = [range.getBoundingClientRect(), getComputedStyle(parent), node.textContent.trim()];
    if (!at.width) continue;
    found.push((origin) => {
      const text = document.createElementNS(SVG, "text");
      const attributes = { x: at.x - origin.x, y: at.bottom - origin.y - 0.28 * at.height, "font-family": style.fontFamily, "font-size": style.fontSize, "font-weight": style.fontWeight, fill: style.color };
      for (const [name, value] of Object.entries(attributes)) text.setAttribute(name, String(value));
      text.textContent = words;
      return text;
    });
  }
  return found;
}

export function saveSvg(chart: Chart, context: ChartContext): void {
  save(`${chart.name}.svg`, new XMLSerializer().serializeToString(chartSvg(chart, context)), "image/svg+xml");
}

export async function savePng(chart: Chart, context: ChartContext): Promise<void> {
  const svg = chartSvg(chart, context);
  const image = new Image();
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(new XMLSerializer().serializeToString(svg))}`;
  await image.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * WIDTH, 2 * Number(svg.getAttribute("height"))];
  canvas.getContext("2d")!.drawImage(image, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => blob && save(`${chart.name}.png`, blob), "image/png");
}
