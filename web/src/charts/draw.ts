import type { Chart } from "../contract";
import type { ChartContext } from "../context";
import { drawCellDistribution } from "./cell_distribution";
import { drawCellMatrix } from "./cell_matrix";
import { drawCellPoints } from "./cell_points";
import "./charts.css";
import { drawFrames } from "./frames";
import { drawHeat } from "./heat";
import { drawIntervals } from "./intervals";
import { drawLines } from "./lines";
import { drawPoints } from "./points";

/** A chart as an element that stands in the page: a figure's body with its legend, no title. */
export function drawChart(chart: Chart, context: ChartContext): HTMLElement {
  switch (chart.kind) {
    case "cell_points":
      return drawCellPoints(chart, context);
    case "cell_distribution":
      return drawCellDistribution(chart, context);
    case "cell_matrix":
      return drawCellMatrix(chart, context);
    case "intervals":
      return drawIntervals(chart, context);
    case "heat":
      return drawHeat(chart, context);
    case "lines":
      return drawLines(chart, context);
    case "points":
      return drawPoints(chart, context);
    case "frames":
      return drawFrames(chart, context);
  }
}
