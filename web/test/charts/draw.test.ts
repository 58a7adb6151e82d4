import { describe, expect, test } from "vitest";
import { drawChart } from "../../src/charts/draw";
import { boxOf } from "../../src/charts/cell_distribution";
import { columnsFor } from "../../src/charts/grid";
import { told } from "../../src/charts/told";
import type { CellDistribution, CellMatrix, CellPoints, Chart, Frames, Intervals, Lines, Points } from "../../src/contract";
import type { ChartContext } from "../../src/context";
import { fixture, HOSTILE, pack } from "../fixture";

export function contextOf(nMaterials = 24, nPotentials = 4, width = 900): ChartContext {
  const { page } = fixture(nMaterials, nPotentials);
  return {
    page,
    width,
    cells: page.cells.state.flatMap((state, cell) => (state === "ok" ? [cell] : [])),
    materialHref: (name) => `#/material/${encodeURIComponent(name)}`,
    viewHref: (change) => `#${encodeURIComponent(JSON.stringify(change))}`,
  };
}

const base = { title: "Title", note: "", guides: [] };
const points: CellPoints = { ...base, kind: "cell_points", name: "p", x: "rmse_w2_THz2", y: "rmse_vg_THzA", log_x: true, log_y: true, equality: true };
const distribution: CellDistribution = { ...base, kind: "cell_distribution", name: "d", value: "rmse_w2_THz2", log: true };
const matrix: CellMatrix = {
  kind: "cell_matrix", title: "Classes", note: "", name: "m", row: "sigma_reference_class", column: "harmonic_state",
  classes: ["stable, called stable", "unstable, called stable", "unstable, called unstable", "harmonic", "anharmonic", "strongly anharmonic"],
};
const frames: Frames = {
  ...base, kind: "frames", name: "f", x_label: "x", y_label: "y", clouds: ["reference", "7net-0"], potentials: [null, "7net-0"],
  x: [0, 1, 2], y: [0, 1, 0], cloud: [0, 0, 1], run: [0, 0, 0], frame: [0, 5, 0], sigma: [0.1, null, 0.3],
  structures: [0, 1].map(() => ({ symbols: ["Na"], lattice: [[4, 0, 0], [0, 4, 0], [0, 0, 4]], coordinates: pack([[0, 0, 0], [0.1, 0, 0]]) })),
};

describe("charts of the fixture", () => {
  const context = contextOf();
  for (const panel of context.page.panels) {
    for (const chart of panel.charts) {
      for (const width of [288, 900]) {
        test(`${chart.name} at ${width}`, () => {
          const drawn = drawChart(chart, { ...context, width });
          const plots = [...drawn.querySelectorAll("svg.sm-facet")];
          expect(plots.length).toBeGreaterThan(0);
          for (const plot of plots) {
            expect(plot.getAttribute("aria-label")).toContain(chart.title);
            if (!drawn.querySelector(".sm-scrolls")) expect(Number(plot.getAttribute("width"))).toBeLessThanOrEqual(width);
          }
          expect(drawn.querySelectorAll('.sm-target[tabindex="0"]').length).toBe(1);
          expect(drawn.innerHTML.includes("NaN")).toBe(false);
          expect(drawn.querySelector("script, b")).toBeNull();
        });
      }
    }
  }
});

test("every point leads to its material, one at a time by arrow keys", () => {
  const context = contextOf(8, 2);
  const drawn = drawChart(points, context);
  document.body.replaceChildren(drawn);
  const link = drawn.querySelector<SVGAElement>(".sm-target")!;
  const seen = new Set<string>();
  link.dispatchEvent(new FocusEvent("focus"));
  link.dispatchEvent(new KeyboardEvent("keydown", { key: "Home" }));
  for (let n = 0; n < 40; n++) {
    seen.add(link.getAttribute("aria-label")!);
    link.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
  }
  expect(seen.size).toBe(context.cells.length);
  const hostile = [...seen].filter((label) => label.startsWith(HOSTILE));
  expect(hostile.length).toBe(2);
  expect(link.getAttribute("href")).toMatch(/^#\/material\//);
  expect(drawn.querySelector(".sm-tip")!.textContent).toMatch(/RMSE\(ω²\): [\d.]+ THz²/);
});

test("no point lies outside the axes", () => {
  const context = contextOf(24, 4);
  context.page.cells.values["rmse_w2_THz2"]![context.cells[0]!] = 4e5;
  const plot = drawChart(points, context).querySelector("svg.sm-facet")!;
  const starts = [...plot.querySelectorAll('[data-part="data"] path')].flatMap((path) => [...path.getAttribute("d")!.matchAll(/M(-?[\d.]+),(-?[\d.]+)/g)]);
  expect(starts.length).toBe(context.cells.length);
  for (const [, x, y] of starts) {
    expect(Number(x)).toBeGreaterThan(0);
    expect(Number(x)).toBeLessThan(Number(plot.getAttribute("width")));
    expect(Number(y)).toBeGreaterThan(0);
    expect(Number(y)).toBeLessThan(Number(plot.getAttribute("height")));
  }
});

test("fewer than five values have no box", () => {
  expect(boxOf([1, 2, 3, 4])).toBeNull();
  expect(boxOf([5, 1, 2, 3, 4])).toEqual({ low: 2, median: 3, high: 4 });
  const few = contextOf(8, 2); // two of each group
  expect(drawChart(distribution, few).querySelectorAll('[data-part="data"] rect').length).toBe(0);
  expect(drawChart(distribution, contextOf(40, 2)).querySelectorAll('[data-part="data"] rect').length).toBe(8);
});

test("fields of matrices lead to their cells; a matrix of a few is told in words", () => {
  const context = contextOf(60, 2);
  const drawn = drawChart(matrix, context);
  const link = drawn.querySelector<SVGAElement>(".sm-target")!;
  document.body.replaceChildren(drawn);
  link.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown" }));
  expect(decodeURIComponent(link.getAttribute("href")!)).toContain('"sigma_reference_class":["anharmonic"]');
  const few = drawChart(matrix, { ...context, cells: context.cells.slice(0, 1) });
  expect(few.querySelector("svg")).toBeNull();
  expect(few.querySelector("li a")?.textContent).toBe(context.page.materials[0]!.name);
});

test("values are told with their units", () => {
  expect(told("RMSE(ω²), THz², path", 27.82)).toBe("RMSE(ω²) on the path: 27.8 THz²");
  expect(told("softening", -0.5)).toBe("softening: −0.5");
});

test("nothing to show is said", () => {
  const context = { ...contextOf(), cells: [] };
  for (const chart of [points, distribution, matrix]) expect(drawChart(chart, context).textContent).toMatch(/^No cell/);
  const empty: Chart[] = [
    { ...base, kind: "intervals", name: "i", axis: "x", log: false, rows: [] },
    { ...base, kind: "lines", name: "l", x_label: "x", y_label: "y", log_x: false, log_y: false, series: [] },
    { ...base, kind: "points", name: "q", x_label: "x", y_label: "y", log_x: false, log_y: false, equality: false, series: [] },
    { kind: "heat", title: "h", note: "", name: "h", rows: [], columns: [], label: "", row_label: "", column_label: "", values: [], texts: [], strong: [], middle: null },
  ];
  for (const chart of empty) expect(drawChart(chart, context).textContent).toBe("There is nothing to show.");
});

test("hue is the potential, ink what is none", () => {
  const context = contextOf(8, 2);
  const rows = [null, context.page.potentials[1]!.name].map((potential) => ({ label: "a", facet: "", value: 2, low: 1, high: 3, potential, strong: true }));
  const chart: Intervals = { ...base, kind: "intervals", name: "i", axis: "ratio", log: true, rows };
  const fills = [...drawChart(chart, context).querySelectorAll('[data-part="data"] circle')].map((each) => each.getAttribute("fill"));
  expect(fills).toEqual(["var(--ink)", "var(--potential-1)"]);
});

test("a gap in a line is not bridged, and a band is closed", () => {
  const series = { name: "s", facet: "", x: [0, 1, 2, 3, 4], y: [1, 2, null, 2, 1], low: [0, 1, null, 1, 0], high: [2, 3, null, 3, 2], potential: null, dashed: false };
  const chart: Lines = { ...base, kind: "lines", name: "l", x_label: "x", y_label: "y", log_x: false, log_y: false, series: [series] };
  const paths = [...drawChart(chart, contextOf(8, 2)).querySelectorAll('[data-part="data"] path')].map((path) => path.getAttribute("d")!);
  expect(paths.filter((d) => d.endsWith("Z")).length).toBe(2);
  expect(paths.filter((d) => !d.endsWith("Z")).length).toBe(2);
});

test("eight thousand points are one tab stop, drawn at once", () => {
  const x = Array.from({ length: 8000 }, (_, n) => Math.sin(n) * n);
  const series = [{ name: "a", facet: "", x, y: x.map((value) => value / 2), low: null, high: null, texts: x.map(() => ""), materials: null, potential: null }];
  const chart: Points = { ...base, kind: "points", name: "q", x_label: "x", y_label: "y", log_x: false, log_y: false, equality: true, series };
  const drawn = drawChart(chart, contextOf(8, 2));
  expect(drawn.querySelectorAll("*").length).toBeLessThan(200);
  expect(drawn.querySelectorAll('[tabindex="0"]').length).toBe(1);
});

test("frames are coloured by trajectory or by σ(t)", () => {
  const drawn = drawChart(frames, contextOf(8, 2));
  const fills = () => [...drawn.querySelectorAll('[data-part="data"] path')].map((path) => path.getAttribute("fill"));
  expect(fills()).toEqual(["var(--ink)", "var(--potential-1)"]);
  drawn.querySelectorAll<HTMLButtonElement>("button[aria-pressed]")[1]!.click();
  expect(fills()).toContain("var(--ramp-8)");
  expect(drawn.textContent).toContain("run 0, frame 0");
});

test("plots stand in rows of the width there is", () => {
  expect(columnsFor(288, 11, 250, 460, 820)).toEqual({ columns: 1, each: 288 });
  expect(columnsFor(1248, 4, 400, 620, 820).columns).toBe(2);
  expect(columnsFor(2500, 11, 250, 460, 820).columns).toBe(6);
});

test("plots of nearly the same rows share their names, beside the first of each row", () => {
  const row = (label: string, facet: string, value: number) => ({ label, facet, value, low: null, high: null, potential: label, strong: true });
  const chart: Intervals = { ...base, kind: "intervals", name: "i", axis: "ratio", log: false, rows: [row("7net-0", "one", 1), row("chgnet", "one", 2), row("7net-0", "two", 3)] };
  const many: Intervals = { ...chart, rows: [...chart.rows, row("mace-mp-0b3", "one", 1), row("mace-mp-0b3", "two", 2)] };
  const namesOf = (given: Intervals) =>
    [...drawChart(given, { ...contextOf(), seen: new Set(["7net-0"]) }).querySelectorAll(".sm-facet")].map((facet) =>
      [...facet.querySelectorAll("text")].map((text) => text.textContent!).filter((text) => /^(7net-0|chgnet|mace)/.test(text)),
    );
  expect(namesOf(many)).toEqual([["7net-0†", "chgnet", "mace-mp-0b3"], []]);
  expect(namesOf(chart)).toEqual([["7net-0†", "chgnet"], ["7net-0†"]]); // half of the rows alone
});
