import { expect, test } from "vitest";
import { columnText, csv, listed, number, probability, typeset, unitOf } from "../src/format";
import { ELEMENTS } from "../src/periodic";
import { harmless } from "../src/table";

test("numbers have three significant digits and no power as a letter", () => {
  expect([1234.5, 12.345, 0.12345, -0.5, 0, 1.2e-7, null, NaN, Infinity].map((each) => number(each))).toEqual(
    ["1235", "12.3", "0.123", "−0.5", "0", "1.2 × 10⁻⁷", "—", "—", "∞"],
  );
  expect([0.0004, 0.0432, 0.5].map(probability)).toEqual(["<\u00a00.001", "0.043", "0.50"]);
  expect(listed(["a", "b", "c"])).toBe("a, b and c");
});

test("labels are parted from their units", () => {
  expect(unitOf("RMSE(ω²), THz²")).toEqual(["RMSE(ω²)", "THz²"]);
  expect(unitOf("entropy, J/(mol K)")).toEqual(["entropy", "J/(mol K)"]);
  expect(unitOf("RMSE(ω²), THz², path")).toEqual(["RMSE(ω²), path", "THz²"]);
  expect(unitOf("lowest mode, K, potential")).toEqual(["lowest mode, potential", "K"]);
  expect(unitOf("time, s")).toEqual(["time", "s"]);
  expect(unitOf("softening")).toEqual(["softening", ""]);
});

test("CSV keeps texts from being formulas", () => {
  expect(csv([["=1+1", 'a "b", c', -1.5, null, "-0.5 [-1, 1]", "-x"]])).toBe(`'=1+1,"a ""b"", c",-1.5,,"-0.5 [-1, 1]",'-x\n`);
});

test("elements stand where the periodic table has them", () => {
  const at = (symbol: string) => ELEMENTS.filter((each) => each.symbol === symbol).map(({ row, column }) => [row, column])[0];
  expect(["H", "He", "B", "Sc", "I", "Hf", "La", "Lu", "Og", "Lr"].map(at)).toEqual(
    [[1, 1], [1, 18], [2, 13], [4, 3], [5, 17], [6, 4], [8, 3], [8, 17], undefined, [9, 17]],
  );
});

test("addresses run nothing", () => {
  expect(["tables/a.csv", "https://doi.org/10.1", "javascript:alert(1)", "JAVASCRIPT:x", "data:text/html,x"].map(harmless)).toEqual(
    ["tables/a.csv", "https://doi.org/10.1", "", "", ""],
  );
});

test("columns are written by what they are: zeros of frequencies, i of imaginary ones, digits of lattices", () => {
  const column = (name: string, label: string, better: string | null = null) => ({ name, label, kind: "number", better });
  const lowest = column("mesh_lowest_model_THz", "lowest mode, potential, THz, mesh");
  expect([-2.49e-8, -1.884, 0.5].map((value) => columnText(lowest, value))).toEqual(["0", "1.88i", "0.5"]);
  expect(columnText(column("passport_margin_THz", "passport: margin, THz"), -0.026)).toBe("−0.026");
  expect(columnText(column("rmse", "RMSE(ν), THz", "low"), 0.0002)).toBe("0.0002");
  expect(columnText(column("lattice_ratio_own", "own lattice constant / reference's", "target"), 1.01873)).toBe("1.019");
  expect(typeset("-0.30 … -0.07 THz of mp-14036, [-1, 2], 2026-11-26")).toBe("−0.30 … −0.07 THz of mp-14036, [−1, 2], 2026-11-26");
});
