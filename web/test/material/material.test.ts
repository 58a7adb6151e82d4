import { describe, expect, test } from "vitest";
import type { Mode, Structure } from "../../src/contract";
import { differenceOf, frequencyText, lowestOf, placeOf, stretchesOf, type Path } from "../../src/material/bands";
import { atomsOf, bondsOf, cartesian, edgesOf, latticeConstants } from "../../src/material/geometry";
import { amplitudes, commensurate, displacement, furthest, movement, repeatOf } from "../../src/material/mode";
import { decode } from "../../src/material/packed";
import { rankOf, rankText } from "../../src/material/rank";
import { kinOf } from "../../src/material/kin";
import { stretchOf } from "../../src/material/stretch";
import { cellOf, functionalOf, judged, reasons } from "../../src/material/why";
import { fixture, pack } from "../fixture";

describe("packed numbers", () => {
  test("are read back to half a step, with and without differences", () => {
    const rows = [[0.1, -2.5, 7], [1e-3, 12, -4]];
    for (const delta of [false, true]) {
      const packed = pack(rows, delta);
      const read = decode(packed);
      rows.forEach((row, i) => row.forEach((value, j) => expect(Math.abs(read[i]![j]! - value)).toBeLessThanOrEqual(packed.scale / 2 + 1e-12)));
    }
  });
  test("differences wrap around at 16 bits", () => {
    // −32768, then +65535 ≡ −1: back to 32767; little endian
    const data = btoa(String.fromCharCode(0x00, 0x80, 0xff, 0xff));
    expect([...decode({ shape: [1, 2], scale: 1, offset: 0, delta: true, data })[0]!]).toEqual([-32768, 32767]);
  });
  test("of another size are refused", () => {
    expect(() => decode({ shape: [1, 2], scale: 1, offset: 0, delta: false, data: "AAA=" })).toThrow("1 × 2");
  });
});

const path: Path = {
  x: [0, 1, 2, 2, 3],
  ticks: [{ at: 0, label: "Γ" }, { at: 2, label: "X|U" }, { at: 3, label: "L" }],
  breaks: [3],
  reference: { potential: null, noise: 0.02, frequencies: [[0, 1, 2, 2, 1], [5, 5, 5, 5, 5]].map((row) => Float64Array.from(row)) },
  potentials: [{ potential: "a", noise: 0.02, frequencies: [[0, -1, -1.5, 1, 1], [4, 4, 4, 4, 4.5]].map((row) => Float64Array.from(row)) }],
};

test("bands say where a potential is worst", () => {
  expect(stretchesOf(path)).toEqual([[0, 2], [3, 4]]);
  expect(lowestOf(path.potentials[0]!)).toEqual({ frequency: -1.5, at: 2 });
  expect([placeOf(path, 0), placeOf(path, 1), placeOf(path, 2)]).toEqual(["at Γ", "between Γ and X", "at X|U"]);
  // errors: band 1: 0, −2, −3.5, −1, 0; band 2: −1, −1, −1, −1, −0.5; ω²: at most 16 − 25 = −9, in band 2
  const found = differenceOf(path, path.potentials[0]!)!;
  expect(found.band).toBe(1);
  expect(found.rms).toBeCloseTo(Math.sqrt((4 + 12.25 + 1) / 5), 12);
  expect(found.bias).toBeCloseTo(-1.3, 12);
  expect(found.worst).toEqual({ at: 0, band: 2, model: 4, reference: 5 });
  expect([-1.234, 0.001, 12.34].map(frequencyText)).toEqual(["1.23i THz", "0 THz", "12.3 THz"]);
});

const salt: Structure = { lattice: [[0, 2.8, 2.8], [2.8, 0, 2.8], [2.8, 2.8, 0]], symbols: ["Na", "Cl"], positions: [[0, 0, 0], [0.5, 0.5, 0.5]] };

test("cells: constants, images at the faces, bonds of rock salt", () => {
  const { lengths, angles, volume } = latticeConstants(salt.lattice);
  for (const one of lengths) expect(one).toBeCloseTo(2.8 * Math.SQRT2, 10);
  for (const angle of angles) expect(angle).toBeCloseTo(60, 10);
  expect(volume).toBeCloseTo(2 * 2.8 ** 3, 10);
  expect(cartesian(salt.lattice, [0.5, 0.5, 0.5])).toEqual([2.8, 2.8, 2.8]);
  const one = atomsOf(salt);
  expect(one.filter((atom) => atom.symbol === "Na").length).toBe(8);
  // the one within, and those about the eight corners: each has six, shared along the edges
  expect(one.filter((atom) => atom.symbol === "Cl").length).toBeGreaterThan(1);
  expect(atomsOf(salt, [1, 1, 1], false).length).toBe(2);
  for (const corner of one.filter((atom) => atom.symbol === "Na")) {
    expect(bondsOf(one).filter((pair) => pair.includes(one.indexOf(corner))).length).toBe(6);
  }
  const atoms = atomsOf(salt, [3, 3, 3]);
  const central = atoms.findIndex((atom) => atom.symbol === "Cl" && atom.fractional.every((value) => value === 1.5));
  expect(bondsOf(atoms).filter((pair) => pair.includes(central)).length).toBe(6);
  expect(edgesOf(salt.lattice).length).toBe(12);
});

const mode: Mode = {
  potential: "a", role: "the largest error of ω²", q: [0.5, 0, 0.5], q_label: "X", frequency_model: -1.2, frequency_reference: 0.8, structure: salt,
  displacements: [[0.04, 0, 0, 0, 0, 0], [0, 0.6, 0, 0, 0, 0.8]],
  note: "",
};

test("a mode is the wave of its q, in cells that hold it", () => {
  expect(repeatOf([0.5, 0, 1 / 3], 14)).toEqual([2, 1, 3]);
  expect(repeatOf([0.5, 0.5, 0.5], 2)).toEqual([2, 2, 2]);
  expect(repeatOf([0, 0, 0], 10)).toEqual([2, 2, 2]);
  expect(repeatOf([0.21, 0, 0], 100)).toEqual([4, 1, 1]);
  expect(repeatOf([0.25, 0.25, 0.25], 40).reduce((a, b) => a * b)).toBeLessThanOrEqual(10);
  expect(commensurate([0.5, 0, 0.25], [2, 1, 4])).toBe(true);
  expect(commensurate([0.21, 0, 0], [4, 1, 1])).toBe(false);
  const atom = (fractional: [number, number, number]) => ({ symbol: "Cl", source: 1, fractional, at: [0, 0, 0] as [number, number, number] });
  // at r = 0 the real part (0, 0.6, 0), a quarter of a period later the imaginary part (0, 0, 0.8)
  expect(displacement(mode, atom([0, 0, 0]), 0, 2).map((value) => Math.abs(value).toFixed(3))).toEqual(["0.000", "1.200", "0.000"]);
  expect(Math.abs(displacement(mode, atom([0, 0, 0]), 0.25, 1)[2])).toBeCloseTo(0.8, 12);
  // the neighbour along a moves against it, that along b with it
  expect(displacement(mode, atom([1, 0, 0]), 0, 1)[1]).toBeCloseTo(-0.6, 12);
  expect(displacement(mode, atom([0, 1, 0]), 0, 1)[1]).toBeCloseTo(0.6, 12);
  expect(furthest(mode, [atom([0, 0, 0])]) % 0.5).toBeCloseTo(0.25, 12);
});

test("what moves is said", () => {
  expect(amplitudes(mode)[0]).toEqual({ symbol: "Cl", share: 1 });
  expect(movement(mode)).toBe("Cl moves most; Na hardly moves.");
});

test("materials are ranked among those of the same potential", () => {
  const { page } = fixture(24, 2);
  const column = judged(page)[0]!;
  const cells = page.cells.material.map((_, cell) => cell).filter((cell) => page.cells.potential[cell] === 0 && page.cells.state[cell] === "ok");
  const values = page.cells.values[column.name]!;
  const ordered = [...cells].sort((a, b) => (values[a] as number) - (values[b] as number));
  expect(rankOf(page, column, ordered[0]!)!.worse).toBe(0);
  expect(rankOf(page, column, ordered.at(-1)!)!.worse).toBe(1);
  expect(rankText({ n: 24, worse: 0.92 })).toBe("worse than on 92 % of the other 23 crystals");
  expect(rankText({ n: 24, worse: 0 })).toBe("better than on all other 23 crystals");
  expect(rankOf(fixture(4, 2).page, column, 0)).toBeNull();
});

test("what tables say of stability is what is told, and a mode's place is the animated one's", () => {
  const { page } = fixture(24, 2);
  const cell = cellOf(page, 4, 0);
  page.cells.values.mesh_stability_agrees = page.cells.state.map(() => true);
  expect(reasons(page, cell, "a", path, []).wrong.join()).not.toContain("It calls the crystal");
  page.cells.values.mesh_stability_agrees = page.cells.state.map(() => false);
  expect(reasons(page, cell, "a", path, []).wrong[0]).toContain("It calls the crystal unstable, the reference stable");
  const worst = { ...mode, potential: "a", role: "largest error of ω²", q_label: "W", frequency_model: 4, frequency_reference: 5 };
  expect(reasons(page, cell, "a", path, [worst]).wrong.join()).toContain("Largest error of ω² at W: 4.00 THz instead of 5.00 THz.");
});

test("an element is named where all its crystals are among a potential's worst, a functional where it explains nothing", () => {
  const { page } = fixture(24, 2);
  const column = judged(page)[0]!;
  const values = page.cells.values[column.name]!;
  page.materials.forEach((each, i) => (each.elements = i < 3 ? ["K", "Rh", "F"] : ["K", "F"]));
  page.materials.forEach((each) => (each.group = "F"));
  page.cells.material.forEach((material, at) => ((values[at] = page.cells.potential[at] ? 1 : 30 - material), (page.cells.state[at] = "ok"), (page.cells.seen[at] = null)));
  const cell = cellOf(page, 1, 0);
  expect(kinOf(page, column, cell)).toMatchObject({ elements: ["Rh"], text: expect.stringMatching(/^All 3 crystals with Rh are among its 3 worst of 24 .* \(28 to 30/) });
  values[cellOf(page, 2, 0)] = 0; // one of them is right
  expect(kinOf({ ...page }, column, cell)).toBeNull(); // a page of its own: errors are kept by page
  page.potentials.forEach((each) => (each.functional = "PBE+U"));
  expect(reasons(page, cell, "a", null, []).lead.join(" ")).toContain(`Its functional is no reason: ${page.potentials[1]!.name}, trained on PBE+U as well, has 1 here.`);
  page.cells.seen[cellOf(page, 1, 1)] = "train"; // which is no test
  expect(reasons(page, cell, "a", null, []).lead.join(" ")).toContain("may be the functional’s");
});

test("why a potential is wrong is said from its numbers, and what it gets right apart", () => {
  const { page } = fixture(24, 2);
  const cell = cellOf(page, 4, 0);
  const found = reasons(page, cell, "a", path, [{ ...mode, frequency_reference: 5 }]);
  const [lead, wrong] = [found.lead.join("\n"), found.wrong.join("\n")];
  expect(wrong).toContain("It calls the crystal unstable, the reference stable: the lowest mode on the path is 1.50i THz at X|U, in the reference 0 THz.");
  // ω² of band 2 is off by −9, −9, −9, −9, −4.75 (sum of squares 346.6), of band 1 by 0, −2, −6.25, −3, 0 (52.1)
  expect(lead).toContain("87 % of the squared error of ω² lies in 1 of 2 bands (reference: 5.00 THz), on average 0.9 THz too low.");
  expect(lead).toContain("There Cl moves most");
  expect(lead).toContain("It was trained on PBE+U, the reference is PBEsol");
  expect(wrong).toContain("Largest error of ω² at Γ: 4.00 THz instead of 5.00 THz.");
  // the same instability, half as deep again; 15² = 9² + 12²
  const deep: Path = { ...path, reference: { ...path.potentials[0]!, potential: null, frequencies: path.potentials[0]!.frequencies.map((row) => row.map((value) => (value < 0 ? value / 1.5 : value))) } };
  const column = page.columns[0]!;
  column.name = "path_rmse_w2_THz2";
  const put = (name: string, value: number) => (page.cells.values[name] = page.cells.values.rmse_w2_THz2!.map((_, other) => (other === cell ? value : 1)));
  put("path_rmse_w2_THz2", 15);
  put("path_rmse_w2_rest_THz2", 12);
  put("path_softening", 0.9);
  const again = reasons(page, cell, "a", deep, []);
  expect(again.lead[0]).toMatch(/: 15 THz², worse than on all other 2\d crystals\.$/);
  expect(again.lead).toContain("One factor for all ω² (it is 10 % too small as a whole) would mend 36 % of the squared error.");
  expect(again.wrong[0]).toBe("The instability is overdone: the lowest mode on the path is 1.50i THz at X|U, in the reference 1.00i THz at X|U.");
  expect(again.right[0]).toBe("It calls the crystal unstable, as the reference does.");
  page.cells.state[cell] = "failed";
  expect(reasons(page, cell, "a", path, []).lead[0]).toMatch(/^It failed/);
  expect(["phonondb, PBEsol", "phonondb (PBEsol)", "example, PBE+U (CP2K, DZVP)", "phonondb", "own calculation, 64 atoms"].map(functionalOf)).toEqual(["PBEsol", "PBEsol", "PBE+U", "", ""]);
});

test("a mode along a bond is a stretch of it, one across is none", () => {
  const molecule: Structure = { lattice: [[8, 0, 0], [0, 8, 0], [0, 0, 8]], symbols: ["C", "O"], positions: [[0.4, 0.5, 0.5], [0.54, 0.5, 0.5]] };
  const moves = (one: number[], other: number[]): Mode => ({ ...mode, q: [0, 0, 0], structure: molecule, displacements: [one, other] });
  expect(stretchOf(moves([-1, 0, 0, 0, 0, 0], [0.75, 0, 0, 0, 0, 0]))).toEqual({ pairs: [["C", "O"]], along: 1 });
  expect(stretchOf(moves([0, 1, 0, 0, 0, 0], [0, -1, 0, 0, 0, 0]))!.along).toBeCloseTo(0, 12);
});
