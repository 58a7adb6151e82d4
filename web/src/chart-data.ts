// The numbers of a chart as a table.
import type { CellDistribution, CellMatrix, CellPoints, Chart, Page } from "./contract";

type Row = (number | string | boolean | null | undefined)[];

export function chartRows(chart: Chart, page: Page, cells: readonly number[]): Row[] {
  switch (chart.kind) {
    case "cell_points":
    case "cell_distribution":
    case "cell_matrix":
      return cellRows(columnsOf(chart), page, cells);
    case "intervals":
      return [
        ["panel", "of", chart.axis, "low", "high"],
        ...chart.rows.map((each) => [each.facet, each.label, each.value, each.low, each.high]),
      ];
    case "heat":
      return [
        [`${chart.row_label} / ${chart.column_label}: ${chart.label}`, ...chart.columns],
        ...chart.rows.map((name, i) => [name, ...chart.values[i]!]),
      ];
    case "lines":
      return [
        ["panel", "series", chart.x_label, chart.y_label, "low", "high"],
        ...chart.series.flatMap((each) => each.x.map((x, i) => [each.facet, each.name, x, each.y[i], each.low?.[i], each.high?.[i]])),
      ];
    case "points":
      return [
        ["panel", "series", "point", chart.x_label, chart.y_label, "low", "high"],
        ...chart.series.flatMap((each) => each.x.map((x, i) => [each.facet, each.name, each.texts[i], x, each.y[i], each.low?.[i], each.high?.[i]])),
      ];
    case "frames":
      return [
        ["trajectory", "run", "frame", chart.x_label, chart.y_label, ...(chart.sigma ? ["σ(t)"] : [])],
        ...chart.x.map((x, i) => [chart.clouds[chart.cloud[i]!], chart.run[i], chart.frame[i], x, chart.y[i], ...(chart.sigma ? [chart.sigma[i]] : [])]),
      ];
  }
}

function columnsOf(chart: CellPoints | CellDistribution | CellMatrix): string[] {
  if (chart.kind === "cell_distribution") return [chart.value];
  return chart.kind === "cell_points" ? [chart.x, chart.y] : [chart.row, chart.column];
}

export function cellRows(names: readonly string[], page: Page, cells: readonly number[]): Row[] {
  const label = (name: string) => page.columns.find((each) => each.name === name)?.label ?? name;
  const { material, potential, state, seen, values } = page.cells;
  return [
    ["material", "formula", "group", "potential", "state", "seen in training", ...names.map(label)],
    ...cells.map((cell) => {
      const about = page.materials[material[cell]!]!;
      const own = [about.name, about.formula, about.group, page.potentials[potential[cell]!]!.name, state[cell], seen[cell]];
      return [...own, ...names.map((name) => values[name]?.[cell])];
    }),
  ];
}
