// What a page is given: mirrored, field by field, by softmode.report.document, softmode.panel and softmode.charts
// (tests/report/test_contract.py compares the names). Everything is plain JSON; units stand in labels.

/** A run, a paper's panels, two runs side by side, or a map: one document, one page. */
export interface Page {
  format: 1;
  kind: "report" | "paper" | "comparison" | "map";
  title: string;
  /** One sentence below the title: what was measured, with what. */
  lead: string;
  /** Of softmode. */
  version: string;
  /** When the page was written, UTC. */
  date: string;
  protocol: string;
  seed: number;
  counts: { done: number; failed: number; pending: number };
  verdict: Statement[];
  /** What a reader must know before anything else. */
  notices: string[];
  potentials: Potential[];
  materials: Material[];
  columns: Column[];
  cells: Cells;
  /** Panels in the order of the page, each with the heading of its chapter. */
  panels: Panel[];
  failures: Failure[];
  /** How it was made, a line each. */
  method: string[];
  /** Materials' details: how many parts there are; a part holds the details of one or more materials. */
  n_parts: number;
  /** Whether parts lie inside this file or in files of the folder `parts` beside it. */
  parts_inside: boolean;
}

/** A sentence of the verdict, made from the numbers. */
export interface Statement {
  /** What it is of: lead, bias, stability, anharmonicity, dynamics, failures, base_rate, reference, functional, sample. */
  topic: string;
  text: string;
  /** The group of materials it is restricted to; null: all. */
  group: string | null;
  /** Names of the materials it names or counts; empty where it is of all. */
  materials: string[];
  /** Key of the panel with its figures; empty where there is none. */
  panel: string;
}

export interface Potential {
  name: string;
  /** SHA-256 of all that determines its results. */
  digest: string;
  family: string;
  /** What it was trained on, in words, and the functional; empty where unknown. */
  training: string;
  functional: string;
}

export interface Material {
  name: string;
  formula: string;
  group: string;
  /** Readable name of the group. */
  group_name: string;
  elements: string[];
  /** Which part holds its details; -1: none. */
  part: number;
  /** Where its reference comes from: dataset, functional. Empty where unknown. */
  reference: string;
}

/** A column of the table of cells. */
export interface Column {
  name: string;
  /** With its unit. */
  label: string;
  kind: "number" | "text" | "flag";
  /** phonons, anharmonicity, dynamics, structure, cost, … */
  chapter: string;
  /** What is best: the smallest ("low"), the largest ("high"), the nearest to `target`; null: neither good nor bad. */
  better: "low" | "high" | "target" | null;
  target: number | null;
  /** Shown at first. */
  main: boolean;
}

/** Cells, material × potential, column by column: all arrays are equally long. */
export interface Cells {
  /** Places in `Page.materials` and `Page.potentials`. */
  material: number[];
  potential: number[];
  /** ok, failed, pending. */
  state: string[];
  /** Whether the potential has seen the phonons of this crystal: train, val, … ; null: it has not, as far as is known. */
  seen: (string | null)[];
  values: Record<string, (number | string | boolean | null)[]>;
}

export interface Failure {
  material: number;
  potential: number;
  kind: string;
  reason: string;
}

export interface Panel {
  key: string;
  title: string;
  /** Heading of the part of the page it stands in: Phonons, Anharmonicity, … */
  chapter: string;
  caption: string;
  charts: Chart[];
  pictures: Picture[];
  tables: Table[];
  missing: string[];
  /** Lists its numbers were made from: `tables/NAME.csv`. */
  lists: { name: string; n: number }[];
}

/** A picture drawn when the page was made (PNG or SVG as a data address). */
export interface Picture {
  name: string;
  title: string;
  /** Pixels of the page. */
  width: number;
  data: string;
}

export interface Table {
  name: string;
  title: string;
  /** Heads, with units. */
  columns: string[];
  is_text: boolean[];
  rows: Entry[][];
  note: string;
}

/** A plain text, or a text with its source. */
export type Entry = string | LinkedEntry;

export interface LinkedEntry {
  text: string;
  /** record, rows, published, material (leads to the material's page). */
  kind: string;
  href: string;
  /** The source in words. */
  source: string;
}

export type Chart = CellPoints | CellDistribution | CellMatrix | Intervals | Heat | Lines | Points | Frames;

interface ChartBase {
  /** Unique on the page; its CSV and SVG are named after it. */
  name: string;
  title: string;
  note: string;
}

/** A value at which a line is drawn across the plot. */
export interface Guide {
  axis: "x" | "y";
  value: number;
  label: string;
}

/** A point for each cell that the filters leave: colour by potential, shape by group; leads to its material. */
export interface CellPoints extends ChartBase {
  kind: "cell_points";
  /** Columns of the table of cells. */
  x: string;
  y: string;
  log_x: boolean;
  log_y: boolean;
  /** Whether the line y = x is drawn. */
  equality: boolean;
  guides: Guide[];
}

/** All values of a column as strips, with quartiles from five on, by group and potential. */
export interface CellDistribution extends ChartBase {
  kind: "cell_distribution";
  value: string;
  log: boolean;
  guides: Guide[];
}

/** Counts of cells by two columns of texts, a matrix for each potential; a field leads to its materials. */
export interface CellMatrix extends ChartBase {
  kind: "cell_matrix";
  row: string;
  column: string;
  classes: string[];
}

/** Estimates with intervals, one below the other. */
export interface Intervals extends ChartBase {
  kind: "intervals";
  axis: string;
  log: boolean;
  guides: Guide[];
  rows: IntervalRow[];
  /** Errors over a potential’s follow the filters: facet and column of the cells, and over whose. */
  columns?: [string, string][];
  over?: string;
}

export interface IntervalRow {
  label: string;
  /** Panel of the chart it is drawn in (small multiples); empty: a single one. */
  facet: string;
  value: number;
  low: number | null;
  high: number | null;
  /** Name in `Page.potentials`, for its colour; null: ink (published, packaged). */
  potential: string | null;
  /** Drawn filled where it counts (significant, of this study), hollow otherwise. */
  strong: boolean;
}

/** A matrix of numbers, written into its fields. */
export interface Heat extends ChartBase {
  kind: "heat";
  rows: string[];
  columns: string[];
  /** What the numbers are, with unit. */
  label: string;
  row_label: string;
  column_label: string;
  values: (number | null)[][];
  /** As written into the fields; bold where `strong`. */
  texts: string[][];
  strong: boolean[][];
  /** Where the scale turns from one shade to the other; null: a scale from nothing to much. */
  middle: number | null;
  /** Potentials in pairs follow the filters: column of the cells with the errors; empty: it does not. */
  of?: string;
  /** p-values of the other tests that its tests are corrected with where nothing is filtered. */
  others?: number[];
}

export interface Lines extends ChartBase {
  kind: "lines";
  x_label: string;
  y_label: string;
  log_x: boolean;
  log_y: boolean;
  guides: Guide[];
  series: LineSeries[];
}

export interface LineSeries {
  name: string;
  /** Panel of the chart (small multiples); empty: a single one. */
  facet: string;
  x: number[];
  y: (number | null)[];
  /** Band about the line; null: none. */
  low: (number | null)[] | null;
  high: (number | null)[] | null;
  potential: string | null;
  dashed: boolean;
}

export interface Points extends ChartBase {
  kind: "points";
  x_label: string;
  y_label: string;
  log_x: boolean;
  log_y: boolean;
  equality: boolean;
  guides: Guide[];
  series: PointSeries[];
}

export interface PointSeries {
  name: string;
  facet: string;
  x: number[];
  y: number[];
  /** Ends of vertical bars; null: none. */
  low: (number | null)[] | null;
  high: (number | null)[] | null;
  /** What each point is, read out and shown beside the pointer. */
  texts: string[];
  /** Names of the materials that points lead to; null: nowhere. */
  materials: (string | null)[] | null;
  potential: string | null;
}

/** Frames of trajectories as points of a map; the structure of the one chosen is shown beside it. */
export interface Frames extends ChartBase {
  kind: "frames";
  x_label: string;
  y_label: string;
  /** Names of the trajectories. */
  clouds: string[];
  /** Name of each cloud's potential; null: reference. */
  potentials: (string | null)[];
  x: number[];
  y: number[];
  cloud: number[];
  /** Run and frame of each point within its cloud. */
  run: number[];
  frame: number[];
  /** σ(t) of each frame; null where there is none. */
  sigma: (number | null)[] | null;
  structures: FrameStructures[];
}

export interface FrameStructures {
  symbols: string[];
  /** Rows are lattice vectors, Å. */
  lattice: number[][];
  /** Fractional coordinates, (frames, atoms · 3), in 1/65536. */
  coordinates: Packed;
}

/** Numbers of a matrix in 16 bits: value = offset + scale · integer, row by row (int16, little endian, base64);
 *  with `delta` each integer of a row is the difference from the one before (modulo 65536). */
export interface Packed {
  shape: [number, number];
  scale: number;
  offset: number;
  delta: boolean;
  data: string;
}

/** Details of a material; a part is a list of them. */
export interface Detail {
  /** Its name. */
  material: string;
  structure: Structure | null;
  bands: Bands | null;
  dos: Dos | null;
  modes: Mode[];
  /** σ(t), parity, dynamics, map, passport, … */
  panels: Panel[];
  /** Commands that reproduce it, a line each. */
  commands: string[];
  records: { potential: string; measurement: string; digest: string; file: string }[];
}

export interface Structure {
  /** Rows are lattice vectors, Å. */
  lattice: number[][];
  symbols: string[];
  /** Fractional. */
  positions: number[][];
}

/** Frequencies along the band path, THz, imaginary ones negative; matrices are (bands, q points). */
export interface Bands {
  /** Å⁻¹ from the beginning of the path. */
  x: number[];
  ticks: { at: number; label: string }[];
  /** First q point of each segment of the path after the first: no line is drawn to it from the one before. */
  breaks: number[];
  /** Null where there are only potentials (screening). */
  reference: Packed | null;
  /** Noise of the reference's frequencies, THz; null: unknown. */
  reference_noise: number | null;
  potentials: { potential: string; frequencies: Packed; noise: number | null }[];
}

/** Densities of states, modes per THz and primitive cell; matrices are (1, frequencies). */
export interface Dos {
  curves: { potential: string | null; first: number; step: number; values: Packed }[];
}

/** A mode to be animated: u(atom, cell) = Re[e exp(2πi q·(R + r) − iωt)]. */
export interface Mode {
  /** Null: of the reference. */
  potential: string | null;
  /** Why it is shown, in words: the largest error of ω², the softest of the potential, … */
  role: string;
  /** Fractional, of the primitive cell; and its name on the path, if it has one. */
  q: [number, number, number];
  q_label: string;
  /** THz, imaginary ones negative; of a mode of the reference alone that of the potential is null. */
  frequency_model: number | null;
  frequency_reference: number | null;
  /** Primitive cell. */
  structure: Structure;
  /** Displacements, not mass-weighted, largest 1: real and imaginary part, (atoms, 6) as x, y, z, x′, y′, z′. */
  displacements: number[][];
  /** What else is to be said: how like the other side's modes it is, how many there are of it. */
  note: string;
}
