// Values of the page's table of cells, for the cells that the filters leave.

import type { ChartContext } from "../context";
import { groupsOf } from "../colour";

export interface CellValue {
  /** Place of the cell in the table. */
  cell: number;
  material: number;
  potential: number;
  /** Place of its material's group among the page's. */
  group: number;
}

/** Cells that are done and whose potentials and materials the page knows. */
export function cellsOf(context: ChartContext): CellValue[] {
  const { page } = context;
  const groups = new Map([...groupsOf(page).keys()].map((key, place) => [key, place]));
  const found: CellValue[] = [];
  for (const cell of context.cells) {
    const material = page.cells.material[cell];
    const potential = page.cells.potential[cell];
    if (material === undefined || potential === undefined) continue;
    const group = groups.get(page.materials[material]?.group ?? "") ?? 0;
    found.push({ cell, material, potential, group });
  }
  return found;
}

export function numberOf(context: ChartContext, column: string, cell: number): number | null {
  const value = context.page.cells.values[column]?.[cell];
  return typeof value === "number" && Number.isFinite(value) ? value : null;
}

export function textOf(context: ChartContext, column: string, cell: number): string | null {
  const value = context.page.cells.values[column]?.[cell];
  if (value === null || value === undefined || value === "") return null;
  return typeof value === "boolean" ? (value ? "yes" : "no") : String(value);
}

export function labelOf(context: ChartContext, column: string): string {
  return context.page.columns.find((one) => one.name === column)?.label ?? column;
}

/** Places of the potentials that occur, in the page's order. */
export function potentialsOf(cells: readonly CellValue[]): number[] {
  return [...new Set(cells.map((cell) => cell.potential))].sort((a, b) => a - b);
}

export function potentialName(context: ChartContext, place: number): string {
  return context.page.potentials[place]?.name ?? "";
}

export function materialName(context: ChartContext, place: number): string {
  return context.page.materials[place]?.name ?? "";
}

export function hue(place: number): string {
  return `var(--potential-${place % 12})`;
}
