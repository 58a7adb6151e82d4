import { expect, test } from "vitest";
import { answer, compare } from "../src/compare";
import type { Heat, Intervals, Page } from "../src/contract";
import { followed } from "../src/follow";
import { metricOf, selectCells } from "../src/select";
import { START, type View } from "../src/state";
import { compositionOf } from "../src/formula";
import { findMaterial } from "../src/find";
import { fixture } from "./fixture";

const { page } = fixture(24, 4);
const chosen = (view: Partial<View>) => selectCells(page, { ...START, ...view });
const about = (cell: number) => page.materials[page.cells.material[cell]!]!;

test("filters combine", () => {
  expect(chosen({})).toHaveLength(96);
  const some = chosen({ elements: ["Cs", "Cl"], potentials: ["7net-0"] });
  expect(some.length).toBeGreaterThan(0);
  for (const cell of some) expect(about(cell).elements).toEqual(expect.arrayContaining(["Cs", "Cl"]));
  expect(chosen({ elements: ["Cs", "Cl"], anyElement: true }).length).toBeGreaterThan(4 * some.length);
  expect(chosen({ groups: ["Cl"] })).toHaveLength(24);
  expect(chosen({ seen: "seen" }).length + chosen({ seen: "unseen" }).length).toBe(96);
  // three crystals that one potential has seen are taken from all four, unless that one is not on show
  expect(chosen({ seen: "seen" })).toHaveLength(12);
  expect(chosen({ seen: "seen", potentials: ["7net-0"] })).toHaveLength(0);
  expect(chosen({ seen: "unseen", potentials: ["mace-mp-0b3"] })).toHaveLength(21);
  expect(chosen({ text: "MP-1004 7net" })).toHaveLength(1);
  expect(chosen({ only: ["mp-1004", "unknown"] })).toHaveLength(4);
  const harmonic = chosen({ classes: { sigma_reference_class: ["harmonic"] } });
  expect(harmonic.map((cell) => page.cells.values.sigma_reference_class![cell])).toEqual(harmonic.map(() => "harmonic"));
  expect(chosen({ classes: { imaginary_model: ["true"] }, groups: ["F", "Cl"], text: "nothing" })).toEqual([]);
});

/** Two potentials on `errors.length` materials; null: failed. */
function contest(errors: [number | null, number | null][], better: "low" | "target" = "low"): Page {
  const cells = errors.flatMap(([one, other], material) => [one, other].map((value, potential) => ({ material, potential, value })));
  return {
    ...page,
    potentials: page.potentials.slice(0, 2),
    columns: [{ name: "error", label: "error, eV", kind: "number", chapter: "x", better, target: better === "target" ? 1 : null, main: true }],
    cells: {
      material: cells.map((each) => each.material),
      potential: cells.map((each) => each.potential),
      state: cells.map((each) => (each.value === null ? "failed" : "ok")),
      seen: cells.map(() => null),
      values: { error: cells.map((each) => each.value) },
    },
  };
}

const judged = (errors: [number | null, number | null][], better: "low" | "target" = "low") => {
  const given = contest(errors, better);
  const found = compare(given, given.cells.material.map((_, i) => i), metricOf(given, "")!);
  return { found, words: answer(given, found).join(" ") };
};

test("the leader has the smallest median; the others are compared with it material by material", () => {
  const { found, words } = judged(Array.from({ length: 10 }, (_, i): [number, number] => [2 * (i + 1), i + 1]));
  expect(found.rows.map((each) => each.potential)).toEqual([1, 0]);
  expect(found.rows[0]!.median.value).toBe(5.5);
  expect(found.rows[1]!.paired!.ratio).toEqual({ value: 2, low: 2, high: 2 });
  expect(found.rows[1]!.paired!.worse).toBe(10);
  expect(found.rows[1]!.p).toBeCloseTo(2 / 2 ** 10, 12);
  expect(words).toMatch(/^7net-0 has the smallest median, 5\.5 \[2,\u00a09\] eV \(error; 10 materials\)\. 7net-0 is better than mace-mp-0b3/);
});

test("who has seen the crystals is marked, and the best of the others named", () => {
  const given = contest(Array.from({ length: 7 }, (_, i): [number, number] => [i + 1, i + 2]));
  given.cells.seen = given.cells.potential.map((potential, cell) => (potential === 0 && cell > 2 ? "train" : null));
  const found = compare(given, given.cells.material.map((_, i) => i), metricOf(given, "")!);
  expect(found.rows.map((each) => each.seen?.n ?? 0)).toEqual([5, 0]);
  const words = answer(given, found);
  expect(words[0]).toMatch(/^mace-mp-0b3† has the smallest .*: it was trained on the phonons of 5 of these 7\.$/);
  expect(words[1]).toMatch(/^Of those that have seen none of them, 7net-0 has the smallest, 5 /);
});

test("of those that have seen nothing the ties are named, too, with their own figures", () => {
  const given = contest(Array.from({ length: 8 }, (_, i): [number, number] => (i % 2 ? [3, 4] : [4, 3])));
  const { potential, value } = { potential: 2, value: 1 }; // a third, smaller on all, that has seen them
  given.potentials.push({ ...given.potentials[0]!, name: "taught" });
  for (let i = 0; i < 8; i++) {
    given.cells.material.push(i), given.cells.potential.push(potential), given.cells.state.push("ok"), given.cells.seen.push("train"), given.cells.values.error!.push(value);
  }
  const words = answer(given, compare(given, given.cells.material.map((_, i) => i), metricOf(given, "")!));
  expect(words[1]).toMatch(/^Of those that have seen none of them, mace-mp-0b3 has the smallest, 3.5 .*; not told apart from it: 7net-0 \(1.0\d+ \[0.75,.1.33\] times its error, smaller on 4 of 8\)\.$/);
  expect(words[2]).toMatch(/^taught† is better than mace-mp-0b3 and 7net-0/);
});

test("materials are found by composition, and a potential's name beside it chooses that", () => {
  const { page } = fixture(8, 3);
  const [one] = page.materials;
  Object.assign(one!, { formula: "Rb2KRhF6", name: "mp-1" });
  const said = page.materials.map(({ formula, name }) => `${formula} · ${name}`);
  expect(compositionOf("KRb2RhF6")).toBe(compositionOf("Rb2KRhF6"));
  expect([compositionOf("KRbRhF6"), compositionOf("Rh"), compositionOf("7net-0")]).not.toContain(compositionOf("Rb2KRhF6"));
  expect(findMaterial(page, said, "KRb2RhF6 7net-0", true)).toEqual({ material: "mp-1", potential: "7net-0" });
  expect(findMaterial(page, said, "KRb2RhF6", false).material).toBeNull(); // not while it is typed
  expect(selectCells(page, { ...START, text: "KRb2RhF6" })).toHaveLength(3);
});

test("potentials are ranked on the materials that all have been measured on", () => {
  const given = contest(Array.from({ length: 9 }, (_, i): [number, number] => [i < 6 ? 3 : 0.1, 2]));
  // not measured, which is no failure: the second on the last three, where the first is good
  const skip = (last: number) => given.cells.values.error!.forEach((_, cell, all) => given.cells.potential[cell] === 1 && given.cells.material[cell]! >= last && (all[cell] = null));
  skip(6);
  const all = given.cells.material.map((_, i) => i);
  const found = compare(given, all, metricOf(given, "")!);
  expect(found.rows.map((each) => [each.potential, each.n, each.median.value])).toEqual([[1, 6, 2], [0, 6, 3]]);
  expect(answer(given, found)[0]).toContain("the 6 of 9 materials that all 2 have been measured on");
  skip(4); // less than half as many as the other: not ranked
  expect(compare(given, all, metricOf(given, "")!).rows.map((each) => [each.potential, each.few, each.n])).toEqual([[0, false, 9], [1, true, 4]]);
  given.cells.values.error!.forEach((_, cell, values) => (values[cell] = (given.cells.material[cell]! < 5) === (given.cells.potential[cell] === 0) ? 1 : null));
  const apart = compare(given, all, metricOf(given, "")!);
  expect(answer(given, apart)).toEqual(["What is left holds no material that all potentials have been measured on: their medians are of different crystals and rank nothing."]);
  expect(apart.rows.map((each) => each.paired)).toEqual([null, null]);
});

test("what n does not allow is said", () => {
  expect(judged([[1, 2], [1, 2], [1, 2]]).words).toContain("3 materials do not say how sure that is");
  expect(judged(Array.from({ length: 8 }, (_, i): [number, number] => (i % 2 ? [1, 2] : [2, 1]))).words).toContain("No other is told apart");
  expect(judged([]).words).toContain("No cell with this figure is left");
});

test("who fails on what is hard does not lead by it", () => {
  const { found } = judged(Array.from({ length: 9 }, (_, i): [number | null, number] => (i < 5 ? [null, 9] : [1, 2])));
  expect(found.rows.map((each) => [each.potential, each.n, each.failed])).toEqual([[1, 9, 0], [0, 4, 5]]);
  expect(found.rows[1]!.paired).toMatchObject({ n: 9, better: 4, worse: 5 });
});

test("a column with a target is compared by the distance from it", () => {
  const { found } = judged([[0.5, 1.1], [0.6, 1.2]], "target");
  expect(found.rows[0]!.potential).toBe(1);
  expect(found.rows[0]!.median.value).toBeCloseTo(0.15, 12);
});

test("charts of pairs are made again from the cells that are left, as the numbers beside them are", () => {
  const given = contest(Array.from({ length: 12 }, (_, i): [number, number] => (i < 8 ? [1, 2] : [4, 1])));
  const base = { name: "", title: "", note: "" };
  const row = { label: "7net-0", facet: "error", value: 2, low: 1, high: 3, potential: "7net-0", strong: false };
  const intervals: Intervals = { ...base, kind: "intervals", axis: "", log: true, guides: [], rows: [row], over: "mace-mp-0b3", columns: [["error", "error"], ["not in the cells", "other"]] };
  const cells = given.cells.material.flatMap((material, cell) => (material < 8 ? [cell] : []));
  expect((followed(intervals, given, cells) as Intervals).rows).toEqual([{ ...row, value: 2, low: 2, high: 2, strong: true }]);
  const names = ["mace-mp-0b3", "7net-0"];
  const heat: Heat = { ...base, kind: "heat", rows: names, columns: names, label: "", row_label: "", column_label: "", values: [], texts: [], strong: [], middle: 50, of: "error" };
  expect(followed(heat, given, cells)).toMatchObject({ note: " Of what the filters leave, corrected for 1 test.", values: [[null, 100], [0, null]], texts: [["", "100"], ["0", ""]], strong: [[false, true], [true, false]] });
  expect(followed({ ...heat, of: "" }, given, cells)).toBeNull();
  expect(compare(given, cells, metricOf(given, "")!, [1, 1]).rows[1]!.p).toBeCloseTo((3 * 2) / 2 ** 8, 12); // with two other tests
});
