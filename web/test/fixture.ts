// A page such as Python makes, with every kind of chart, drawn from a generator with a seed; some names are hostile.
import type { Cells, Chart, Column, Detail, Material, Packed, Page, Panel, Potential } from "../src/contract";

const HALIDES = ["F", "Cl", "Br", "I"];
const NAMES = ["fluorides", "chlorides", "bromides", "iodides"];
const ALKALIS = ["Li", "Na", "K", "Rb", "Cs"];
const METALS = ["Ag", "Bi", "Pb", "Sn", "Sr", "Mg", "Ca", "In"];
const MODELS = ["mace-mp-0b3", "7net-0", "chgnet", 'a"<b>', "nequix-mp-1", "nequix-mp-1-pft", "orb-v3"];
export const HOSTILE = '<script>alert("1")</script> & =1+1';

/** Numbers from 0 to 1, the same each time (mulberry32). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

/** Numbers row by row as the contract packs them. */
export function pack(rows: number[][], delta = false): Packed {
  const all = rows.flat();
  const low = Math.min(...all);
  const span = Math.max(...all) - low || 1;
  const scale = span / 60000;
  const offset = low + 30000 * scale;
  const integers = rows.flatMap((row) => {
    const plain = row.map((value) => Math.round((value - offset) / scale));
    return delta ? plain.map((value, i) => (i ? value - plain[i - 1]! : value)) : plain;
  });
  const bytes = new Uint8Array(new Int16Array(integers).buffer);
  const data = btoa(Array.from(bytes, (byte) => String.fromCharCode(byte)).join(""));
  return { shape: [rows.length, rows[0]?.length ?? 0], scale, offset, delta, data };
}

export function fixture(nMaterials = 24, nPotentials = 4): { page: Page; parts: Detail[][] } {
  const random = generator(7);
  const potentials = Array.from({ length: nPotentials }, (_, i): Potential => ({
    name: i < MODELS.length ? MODELS[i]! : `model-${i}`,
    digest: i.toString(16).padStart(64, "a"),
    family: "mace",
    training: i === 2 ? "" : "MPtrj, relaxations of the Materials Project",
    functional: i === 2 ? "" : i % 2 ? "r2SCAN" : "PBE+U",
  }));
  const materials = Array.from({ length: nMaterials }, (_, i): Material => {
    const halide = i % HALIDES.length;
    const elements = [ALKALIS[i % ALKALIS.length]!, METALS[i % METALS.length]!, HALIDES[halide]!];
    return {
      name: i === 1 ? HOSTILE : `mp-${1000 + i}`,
      formula: `${elements[0]}${elements[1]}${elements[2]}3`,
      group: HALIDES[halide]!,
      group_name: NAMES[halide]!,
      elements,
      part: i < 8 ? Math.floor(i / 4) : -1,
      reference: "phonondb (PBEsol)",
    };
  });
  const cells = cellsOf(materials, potentials, random);
  const parts = [materials.slice(0, 4), materials.slice(4, 8)].map((some) =>
    some.map((each) => detail(each, potentials, random)),
  );
  const page: Page = {
    format: 1,
    kind: "report",
    title: "Phonons of halides",
    lead: `${nPotentials} potentials on ${nMaterials} crystals: harmonic force constants at the reference's geometry, against phonondb (PBEsol).`,
    version: "0.1.0",
    date: "2026-11-26",
    protocol: "halides-phonons",
    seed: 1,
    counts: counts(cells),
    verdict: [
      { topic: "lead", text: "mace-mp-0b3 leads on RMSE(ω²): median 1.2 THz² [0.9, 1.6], 0.74 times that of 7net-0 [0.62, 0.88]; n = 24.", group: null, materials: [], panel: "harmonic_errors" },
      { topic: "lead", text: "On chlorides 7net-0 leads on RMSE(ω²), 0.91 times that of mace-mp-0b3 [0.7, 1.2]: n = 6 does not tell them apart.", group: "Cl", materials: [], panel: "harmonic_errors" },
      { topic: "bias", text: "chgnet is too soft: frequencies squared are 0.71 times the reference's [0.66, 0.78].", group: null, materials: [], panel: "harmonic_errors" },
      { topic: "failures", text: `${counts(cells).failed} of ${cells.state.length} cells failed.`, group: null, materials: materials.slice(2, 4).map((m) => m.name), panel: "" },
      { topic: "reference", text: "The reference is phonondb: PBEsol, CC BY 4.0.", group: null, materials: [], panel: "" },
      { topic: "functional", text: "4 of 4 potentials were trained on another functional than the reference's.", group: null, materials: [], panel: "" },
    ],
    notices: ["1 potential has seen the phonons of 3 crystals in training; these cells are marked."],
    potentials,
    materials,
    columns: COLUMNS,
    cells,
    panels: panels(materials, potentials, random),
    failures: cells.state.flatMap((state, i) =>
      state === "failed"
        ? [{ material: cells.material[i]!, potential: cells.potential[i]!, kind: "RelaxationError", reason: "The relaxation did not converge within 500 steps." }]
        : [],
    ),
    method: ["Displacements of 0.01 Å in supercells of the reference.", "Medians with order-statistic intervals of 95 %."],
    n_parts: parts.length,
    parts_inside: true,
  };
  return { page, parts };
}

const column = (name: string, label: string, more: Partial<Column> = {}): Column => ({
  name,
  label,
  kind: "number",
  chapter: "phonons",
  better: null,
  target: null,
  main: true,
  ...more,
});

const COLUMNS: Column[] = [
  column("rmse_w2_THz2", "RMSE(ω²), THz²", { better: "low" }),
  column("rmse_vg_THzA", "RMSE(v_g), THz·Å", { better: "low" }),
  column("softening", "softening", { better: "target", target: 1 }),
  column("harmonic_state", "harmonic stability", { kind: "text" }),
  column("imaginary_model", "imaginary modes", { kind: "flag", main: false }),
  column("sigma_reference", "σ of the reference", { chapter: "anharmonicity" }),
  column("sigma_model", "σ of the potential", { chapter: "anharmonicity" }),
  column("sigma_reference_class", "class of the reference", { kind: "text", chapter: "anharmonicity", main: false }),
  column("seconds", "time, s", { chapter: "cost", main: false }),
];

function cellsOf(materials: Material[], potentials: Potential[], random: () => number): Cells {
  const cells: Cells = { material: [], potential: [], state: [], seen: [], values: {} };
  for (const { name } of COLUMNS) cells.values[name] = [];
  const put = (name: string, value: number | string | boolean | null) => cells.values[name]!.push(value);
  materials.forEach((_, m) => {
    const hard = Math.exp(2 * random() - 0.5);
    const sigma = 0.1 + random();
    potentials.forEach((_, p) => {
      const failed = random() < 0.03 || (p === 2 && (m === 5 || m === 9));
      const error = hard * (0.7 + 0.25 * p) * Math.exp(0.8 * (random() - 0.5));
      cells.material.push(m);
      cells.potential.push(p);
      cells.state.push(failed ? "failed" : random() < 0.01 ? "pending" : "ok");
      cells.seen.push(p === 0 && m < 3 ? "train" : null);
      const ok = cells.state.at(-1) === "ok";
      put("rmse_w2_THz2", ok ? error : null);
      put("rmse_vg_THzA", ok ? error * (0.8 + random()) : null);
      put("softening", ok ? 1.05 - 0.1 * p + 0.1 * (random() - 0.5) : null);
      put("harmonic_state", ok ? ["stable, called stable", "unstable, called stable", "unstable, called unstable"][Math.floor(random() * 3)]! : null);
      put("imaginary_model", ok ? random() < 0.4 : null);
      put("sigma_reference", sigma);
      put("sigma_model", ok ? sigma * (0.8 + 0.4 * random()) : null);
      put("sigma_reference_class", sigma < 0.3 ? "harmonic" : sigma < 0.7 ? "anharmonic" : "strongly anharmonic");
      put("seconds", ok ? 5 + 30 * random() : null);
    });
  });
  return cells;
}

function counts(cells: Cells): Page["counts"] {
  const n = (state: string) => cells.state.filter((each) => each === state).length;
  return { done: n("ok"), failed: n("failed"), pending: n("pending") };
}

function panels(materials: Material[], potentials: Potential[], random: () => number): Panel[] {
  const name = (i: number) => potentials[i % potentials.length]!.name;
  const panel = (key: string, chapter: string, title: string, charts: Chart[], more: Partial<Panel> = {}): Panel => ({
    key, title, chapter, caption: "How it was measured, in a sentence or two.", charts, pictures: [], tables: [], missing: [], lists: [], ...more,
  });
  const steps = Array.from({ length: 40 }, (_, i) => i / 4);
  return [
    panel("harmonic_errors", "Phonons", "Errors of ω²", [
      { kind: "cell_distribution", name: "errors_w2", title: "RMSE(ω²) by group and potential", note: "A strip for each.", value: "rmse_w2_THz2", log: true, guides: [] },
      { kind: "cell_points", name: "errors_points", title: "Errors of ω² and of group velocities", note: "", x: "rmse_w2_THz2", y: "rmse_vg_THzA", log_x: true, log_y: true, equality: true, guides: [] },
      { kind: "cell_matrix", name: "stability", title: "Harmonic stability", note: "", row: "sigma_reference_class", column: "harmonic_state", classes: ["stable, called stable", "unstable, called stable", "unstable, called unstable", "harmonic", "anharmonic", "strongly anharmonic"] },
    ], {
      tables: [{ name: "ranking", title: "Median errors", columns: ["potential", "n", "RMSE(ω²), THz²"], is_text: [true, false, false], note: "Intervals of 95 %.",
        rows: potentials.map((each, i) => [{ text: each.name, kind: "rows", href: "tables/ranking.csv", source: `line ${i + 2} of tables/ranking.csv` }, "24", `${1 + i} [0.9, 1.6]`]) }],
      missing: ["Group velocities of chgnet: 2 of 24 crystals have no mesh."],
      lists: [{ name: "cells", n: materials.length * potentials.length }],
    }),
    panel("paired", "Phonons", "Against each other", [
      { kind: "intervals", name: "paired_errors", title: "Errors over those of the leader", note: "Hollow: the interval holds 1.", axis: "ratio of RMSE(ω²)", log: true, guides: [{ axis: "x", value: 1, label: "equal" }],
        rows: potentials.map((each, i) => ({ label: each.name, facet: "", value: 1 + i / 4, low: 0.8 + i / 4, high: 1.3 + i / 4, potential: each.name, strong: i > 1 })) },
      { kind: "heat", name: "paired_shares", title: "Share of materials on which the row is better", note: "", rows: potentials.map((p) => p.name), columns: potentials.map((p) => p.name), label: "share, %", row_label: "better", column_label: "than",
        values: potentials.map((_, i) => potentials.map((_, j) => (i === j ? null : 50 + 10 * (j - i)))), texts: potentials.map((_, i) => potentials.map((_, j) => (i === j ? "" : `${50 + 10 * (j - i)}`))), strong: potentials.map((_, i) => potentials.map((_, j) => Math.abs(i - j) > 1)), middle: 50 },
    ]),
    panel("sigma", "Anharmonicity", "Anharmonicity", [
      { kind: "cell_points", name: "sigma_parity", title: "σ against the reference", note: "", x: "sigma_reference", y: "sigma_model", log_x: true, log_y: true, equality: true, guides: [{ axis: "y", value: 0.7, label: "0.7" }] },
      { kind: "points", name: "sigma_scatter", title: "σ of some", note: "", x_label: "σ of the reference", y_label: "σ of the potential", log_x: false, log_y: false, equality: true, guides: [],
        series: [0, 1].map((i) => ({ name: name(i), facet: "", x: steps.slice(0, 8), y: steps.slice(0, 8).map((x) => x + random()), low: null, high: null, texts: materials.slice(0, 8).map((m) => `${m.formula} (${m.name})`), materials: materials.slice(0, 8).map((m) => m.name), potential: name(i) })) },
    ]),
    panel("course", "Dynamics", "σ in time", [
      { kind: "lines", name: "sigma_course", title: "σ(t)", note: "", x_label: "time, ps", y_label: "σ(t)", log_x: false, log_y: false, guides: [],
        series: [0, 1, 2].map((i) => ({ name: name(i), facet: i < 2 ? "first" : "second", x: steps, y: steps.map((x) => 0.4 + 0.1 * Math.sin(x + i)), low: null, high: null, potential: name(i), dashed: false })) },
    ]),
  ];
}

function detail(material: Material, potentials: Potential[], random: () => number): Detail {
  const structure = { lattice: [[0, 3, 3], [3, 0, 3], [3, 3, 0]], symbols: material.elements, positions: [[0, 0, 0], [0.5, 0.5, 0.5], [0.25, 0.25, 0.25]] };
  const n = 120;
  const x = Array.from({ length: n }, (_, i) => i / 40);
  const bands = (soft: number) => Array.from({ length: 9 }, (_, b) => x.map((at) => (b < 3 ? soft : 1) * (0.8 + b) * Math.abs(Math.sin((Math.PI * at) / 2)) + b / 2 - (b === 0 ? 0.3 : 0)));
  const curve = (shift: number) => pack([Array.from({ length: 100 }, (_, i) => Math.exp(-(((i - 50 - shift) / 20) ** 2)))]);
  return {
    material: material.name,
    structure,
    bands: {
      x, ticks: [{ at: 0, label: "Γ" }, { at: 1, label: "X" }, { at: 2, label: "L" }, { at: x[n - 1]!, label: "Γ" }], breaks: [80],
      reference: pack(bands(1), true), reference_noise: 0.05,
      potentials: potentials.map((each, i) => ({ potential: each.name, frequencies: pack(bands(0.95 - 0.1 * i), true), noise: 0.02 })),
    },
    dos: { curves: [{ potential: null, first: -1, step: 0.1, values: curve(0) }, ...potentials.map((each, i) => ({ potential: each.name, first: -1, step: 0.1, values: curve(-4 * i) }))] },
    modes: potentials.slice(0, 2).map((each, i) => ({
      potential: each.name, role: i ? "the softest of the potential" : "the largest error of ω²", q: [0.5, 0, 0.5], q_label: "X", frequency_model: -0.4 + i, frequency_reference: 0.6 + random(), structure,
      displacements: structure.symbols.map((_, a) => [a === 2 ? 1 : 0.2, 0, 0, 0, 0.1, 0]),
      note: "97 % of this motion lies in the reference's mode of the same rank",
    })),
    panels: [],
    commands: [`softmode phonons ${material.name} --potential mace-mp-0b3`],
    records: potentials.map((each) => ({ potential: each.name, measurement: "harmonic", digest: "ab".repeat(32), file: "records/ab/ab.h5" })),
  };
}
