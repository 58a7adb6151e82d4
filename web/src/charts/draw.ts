import type { Chart } from "../contract";
import type { ChartContext } from "../context";

/** A chart as an element that stands in the page: a figure's body with its legend, no title. */
export function drawChart(chart: Chart, _context: ChartContext): Element {
  const element = document.createElement("p");
  element.textContent = chart.title;
  return element;
}
