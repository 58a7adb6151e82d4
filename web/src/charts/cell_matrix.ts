// Counts of cells by two columns of texts, a matrix for each potential; a field leads to its cells.

import type { CellMatrix } from "../contract";
import type { ChartContext } from "../context";
import { count } from "../format";
import { cellsOf, hue, labelOf, materialName, potentialName, potentialsOf, textOf, type CellValue } from "./cells";
import { drawHeads, fieldAxes, fieldLayout, middleOf, type FieldLayout } from "./fields";
import { drawGrid, nothing, type PlotSpec } from "./grid";
import { INK, PAPER, QUIET, ramp, RULE } from "./looks";
import { spellTick } from "./numbers";
import { html, svg } from "./svg";
import type { Target } from "./targets";

/** Fewer cells than this are named, not counted. */
export const LEAST = 5;

interface Field {
  /** Classes of the row and of the column. */
  row: string;
  column: string;
  cells: CellValue[];
}

interface Matrix {
  potential: number;
  fields: Field[];
}

/** Classes that occur in a column of the whole page; all of them where rows and columns share their classes. */
function classesOf(chart: CellMatrix, context: ChartContext, column: string): string[] {
  const occur = (name: string): Set<unknown> => new Set(context.page.cells.values[name]);
  const [rows, columns] = [occur(chart.row), occur(chart.column)];
  const shared = chart.classes.some((name) => rows.has(name) && columns.has(name));
  return shared ? chart.classes : chart.classes.filter((name) => (column === chart.row ? rows : columns).has(name));
}

export function matricesOf(chart: CellMatrix, context: ChartContext): Matrix[] {
  const rows = classesOf(chart, context, chart.row);
  const columns = classesOf(chart, context, chart.column);
  const cells = cellsOf(context);
  return potentialsOf(cells).map((potential) => {
    const fields = rows.flatMap((row) => columns.map((column): Field => ({ row, column, cells: [] })));
    for (const cell of cells) {
      if (cell.potential !== potential) continue;
      const row = rows.indexOf(textOf(context, chart.row, cell.cell) ?? "");
      const column = columns.indexOf(textOf(context, chart.column, cell.cell) ?? "");
      if (row >= 0 && column >= 0) fields[row * columns.length + column]?.cells.push(cell);
    }
    return { potential, fields };
  });
}

export function drawCellMatrix(chart: CellMatrix, context: ChartContext): HTMLElement {
  const all = matricesOf(chart, context);
  const counted = all.filter(({ fields }) => total(fields) >= LEAST);
  const few = all.filter(({ fields }) => total(fields) > 0 && total(fields) < LEAST);
  if (!counted.length && !few.length) return nothing("No cell that the filters leave has both classes.");
  const root = counted.length ? drawMatrices(chart, context, counted) : html("div", { class: "sm-chart" });
  if (few.length) root.append(inWords(chart, context, few));
  return root;
}

function total(fields: Field[]): number {
  return fields.reduce((sum, field) => sum + field.cells.length, 0);
}

function drawMatrices(chart: CellMatrix, context: ChartContext, all: Matrix[]): HTMLElement {
  const rows = classesOf(chart, context, chart.row);
  const columns = classesOf(chart, context, chart.column);
  const layoutOf = (width: number): FieldLayout => fieldLayout(width, rows, columns, 34, 84, 42);
  const plots = all.map(({ potential, fields }) => (width: number): PlotSpec => {
    const targets: Target[] = [];
    const layout = layoutOf(width);
    return {
      ...fieldAxes(layout, labelOf(context, chart.row), labelOf(context, chart.column)),
      title: `${potentialName(context, potential)} (${spellTick(total(fields))})`,
      hue: hue(potential),
      x: { label: "", log: false, values: [], guides: [], hidden: true, domain: [0, width] },
      targets,
      draw: (layer, _x, _y, box) => {
        drawHeads(layer, layout, box, () => INK);
        fields.forEach((field, place) => {
          const at = middleOf(layout, box, Math.floor(place / columns.length), place % columns.length);
          const size = { width: layout.each - 3, height: layout.tall - 3 };
          const inRow = fields.filter((one) => one.row === field.row).reduce((sum, one) => sum + one.cells.length, 0);
          layer.append(...drawField(field, inRow ? field.cells.length / inRow : 0, at, size));
          targets.push(targetOf(chart, context, potential, field, inRow, { ...at, ...size }));
        });
      },
    };
  });
  return drawGrid({
    width: context.width,
    plots,
    legend: [],
    name: chart.title,
    what: "fields, each leading to its cells",
    least: Math.min(context.width, Math.max(230, layoutOf(230).width)),
    most: 340,
    alone: 420,
    height: (width) => layoutOf(width).height,
  });
}

function drawField(
  field: Field, share: number, { x, y }: { x: number; y: number }, { width, height }: { width: number; height: number },
): SVGElement[] {
  const count = field.cells.length;
  const { fill, text } = count ? ramp(0.08 + 0.92 * share) : { fill: PAPER, text: QUIET };
  const agrees = field.row === field.column;
  return [
    svg("rect", {
      x: x - width / 2, y: y - height / 2, width, height, rx: 3, fill, stroke: agrees ? INK : RULE, "stroke-width": agrees ? 1.6 : 1,
    }),
    svg("text", { x, y: y + 5, "text-anchor": "middle", "font-size": 14, "font-weight": agrees ? 600 : 400, fill: text }, spellTick(count)),
  ];
}

function targetOf(
  chart: CellMatrix, context: ChartContext, potential: number, field: Field, inRow: number,
  place: Pick<Target, "x" | "y" | "width" | "height">,
): Target {
  const { row, column } = field;
  const name = potentialName(context, potential);
  const one = field.cells.length === 1 ? field.cells[0] : undefined;
  const href = one
    ? context.materialHref(materialName(context, one.material), name)
    : context.viewHref({ route: { name: "cells" }, potentials: [name], classes: { [chart.row]: [row], [chart.column]: [column] } });
  return {
    ...place,
    href: field.cells.length ? href : null,
    lines: () => [
      `${name}: ${count(field.cells.length, "material")} of ${spellTick(inRow)}`,
      `${labelOf(context, chart.row)}: ${row}`,
      `${labelOf(context, chart.column)}: ${column}`,
      ...(one ? [materialName(context, one.material)] : []),
    ],
  };
}

/** A matrix of one counts nothing: too few cells are told in words, with links. */
function inWords(chart: CellMatrix, context: ChartContext, all: Matrix[]): HTMLElement {
  const list = html("ul", { class: "sm-words" });
  for (const { potential, fields } of all) {
    for (const field of fields) {
      for (const cell of field.cells) {
        const name = materialName(context, cell.material);
        const says = field.row === field.column ? `${field.row}, as the reference` : `${field.column} where the reference is ${field.row}`;
        list.append(html("li", {}, html("a", { href: context.materialHref(name, potentialName(context, potential)) }, name), `, ${potentialName(context, potential)}: ${says}`));
      }
    }
  }
  return html("div", {}, html("p", { class: "sm-note" }, `${labelOf(context, chart.column)} against ${labelOf(context, chart.row)}, too few to be counted:`), list);
}
