// A structure that turns, by 3Dmol: unit cell, bonds, elements in a legend, buttons and keys to turn it.

import type { GLViewer } from "3dmol";
import { html } from "../charts/svg";
import "./material.css";
import type { Structure } from "../contract";
import { radius } from "./elements";
import { atomsOf, bondsOf, cartesian, edgesOf, length, type Atom, type Vector } from "./geometry";

type Library = typeof import("3dmol");

const NO_WEBGL = "This browser draws nothing in three dimensions (no WebGL); the constants of the lattice and the positions are in words.";
const TURN = 15;

const XYZ = ([x, y, z]: Vector): { x: number; y: number; z: number } => ({ x, y, z });

export class StructureView {
  readonly element: HTMLElement;
  readonly #stage: HTMLElement;
  readonly #legend: HTMLElement;
  #viewer: GLViewer | null = null;
  #library: Library | null = null;
  #opening: Promise<void> | null = null;
  #atoms: Atom[] = [];
  #structure: Structure | null = null;
  #repeat: Vector = [1, 1, 1];
  #moved: ((atom: Atom) => Vector) | null = null;
  #arrows: ((atom: Atom) => Vector) | null = null;
  #start: unknown[] | null = null;
  readonly #theme = new MutationObserver(() => this.#draw(false));
  /** Paper is white, whatever the screen is. */
  #paper = false;
  readonly #print = (event: Event): void => {
    this.#paper = event.type === "beforeprint";
    this.#draw(false);
  };

  constructor(width: number, height: number, name = "Structure") {
    this.#stage = html("div", {
      class: "sm-stage", tabindex: "0", role: "application", "aria-roledescription": "structure that turns",
      "aria-label": `${name}. Arrow keys turn it, plus and minus zoom, 0 sets it back.`,
    });
    this.#stage.style.cssText = `width:${width}px;height:${height}px`;
    this.#legend = html("ul", { class: "sm-legend sm-elements", "aria-label": "Elements" });
    this.element = html("div", { class: "sm-structure" }, this.#stage, this.#buttons(), this.#legend);
    this.#stage.addEventListener("keydown", (event) => this.#onKey(event));
    // The wheel scrolls the page; with Ctrl it zooms.
    this.#stage.addEventListener("wheel", (event) => !event.ctrlKey && event.stopPropagation(), { capture: true });
  }

  /** Shows a structure, `repeat` cells in each direction; the view stays as it was turned. */
  show(structure: Structure, repeat: Vector = [1, 1, 1], images = true): void {
    const same = this.#structure !== null && this.#structure.symbols.length === structure.symbols.length && String(repeat) === String(this.#repeat);
    [this.#structure, this.#repeat] = [structure, repeat];
    this.#atoms = atomsOf(structure, repeat, images);
    void this.#open().then(() => this.#draw(!same));
  }

  /** Displaces each atom, Å, and draws; null: none. */
  move(by: ((atom: Atom) => Vector) | null): void {
    this.#moved = by;
    if (this.#viewer) this.#place();
  }

  /** Draws displacements as arrows; null: none. */
  arrows(of: ((atom: Atom) => Vector) | null): void {
    this.#arrows = of;
    if (this.#viewer) {
      this.#shapes();
      this.#viewer.render();
    }
  }

  /** Whether it is within the window: nothing is animated that nobody sees. */
  get visible(): boolean {
    const { top, bottom } = this.#stage.getBoundingClientRect();
    return this.#viewer !== null && bottom > 0 && top < window.innerHeight;
  }

  /** Gives the graphics card its memory back. */
  dispose(): void {
    const canvas = this.#stage.querySelector("canvas");
    const context = canvas?.getContext("webgl2") ?? canvas?.getContext("webgl");
    context?.getExtension("WEBGL_lose_context")?.loseContext();
    this.#theme.disconnect();
    for (const name of ["beforeprint", "afterprint"]) window.removeEventListener(name, this.#print);
    this.#viewer = null;
  }

  #open(): Promise<void> {
    this.#opening ??= this.#create().catch(() => {
      this.#stage.replaceChildren(html("p", { class: "sm-note" }, NO_WEBGL));
      this.#stage.removeAttribute("tabindex");
      this.#stage.setAttribute("role", "group");
      this.element.querySelector(".sm-buttons")?.remove();
    });
    return this.#opening;
  }

  async #create(): Promise<void> {
    if (!hasWebgl()) throw new Error("no WebGL");
    await near(this.#stage);
    const { load3dmol } = await import("../viewer");
    this.#library = await load3dmol();
    this.#viewer = this.#library.createViewer(this.#stage, { backgroundColor: hex(getComputedStyle(this.#stage).backgroundColor), antialias: true, disableFog: true, orthographic: true }) ?? null;
    if (!this.#viewer) throw new Error("no viewer");
    for (const name of ["beforeprint", "afterprint"]) window.addEventListener(name, this.#print);
    this.#theme.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  }

  #draw(anew: boolean): void {
    const viewer = this.#viewer;
    if (!viewer || !this.#structure) return;
    const view = viewer.getView();
    viewer.setBackgroundColor(this.#paper ? "#ffffff" : hex(getComputedStyle(this.#stage).backgroundColor), 1);
    viewer.removeAllModels();
    const model = viewer.addModel();
    const bonds = this.#atoms.map(() => [] as number[]);
    for (const [a, b] of bondsOf(this.#atoms)) {
      bonds[a]?.push(b);
      bonds[b]?.push(a);
    }
    model.addAtoms(this.#atoms.map((atom, index) => ({
      elem: atom.symbol, ...XYZ(atom.at), index, serial: index, bonds: bonds[index] ?? [], bondOrder: (bonds[index] ?? []).map(() => 1),
    })));
    this.#place(false);
    this.#shapes();
    if (anew || !this.#start) {
      viewer.zoomTo();
      viewer.setView(this.#facing(viewer.getView()));
      viewer.zoom(1.7);
      this.#start = viewer.getView();
    } else viewer.setView(view);
    viewer.render();
    this.#elements();
  }

  /** Looks along b, a little from above and from the side. */
  #facing(view: unknown[]): unknown[] {
    const viewer = this.#viewer as GLViewer;
    viewer.setView(view);
    viewer.rotate(-90, "x");
    viewer.rotate(18, "y");
    viewer.rotate(12, "x");
    return viewer.getView();
  }

  #place(render = true): void {
    const model = this.#viewer?.getModel() as unknown as { selectedAtoms: (selection: object) => Record<string, number>[]; setStyle: (selection: object, style: object) => void } | undefined;
    if (!model) return;
    model.selectedAtoms({}).forEach((drawn) => {
      const atom = this.#atoms[drawn.index as number];
      if (!atom) return;
      const by = this.#moved?.(atom) ?? [0, 0, 0];
      [drawn.x, drawn.y, drawn.z] = [atom.at[0] + by[0], atom.at[1] + by[1], atom.at[2] + by[2]];
    });
    const symbols = new Set(this.#atoms.map((atom) => atom.symbol));
    for (const symbol of symbols) {
      model.setStyle({ elem: symbol }, { sphere: { radius: 0.22 + 0.2 * radius(symbol), colorscheme: "Jmol" }, stick: { radius: 0.07, colorscheme: "Jmol" } });
    }
    if (render) this.#viewer?.render();
  }

  #shapes(): void {
    const viewer = this.#viewer as GLViewer;
    const structure = this.#structure as Structure;
    const ink = this.#paper ? "rgb(29, 33, 38)" : getComputedStyle(this.#legend).color;
    viewer.removeAllShapes();
    viewer.removeAllLabels();
    for (const [from, to] of edgesOf(structure.lattice, this.#repeat)) viewer.addCylinder({ start: XYZ(from), end: XYZ(to), radius: 0.025, color: hex(ink) });
    (["a", "b", "c"] as const).forEach((name, axis) => {
      const fractional: Vector = [0, 0, 0];
      fractional[axis] = 1;
      const end = cartesian(structure.lattice, fractional);
      const out = end.map((value) => value * (1 + 0.9 / length(end))) as Vector;
      viewer.addLabel(name, { position: XYZ(out), fontColor: hex(ink), fontSize: 13, showBackground: false, backgroundOpacity: 0, alignment: "center", inFront: true });
    });
    if (!this.#arrows) return;
    for (const atom of this.#atoms) {
      const by = this.#arrows(atom);
      const size = length(by);
      if (size < 0.15) continue;
      const from = radius(atom.symbol) * 0.2 + 0.22;
      const start = atom.at.map((value, k) => value + (by[k]! / size) * from * 0.8) as Vector;
      const end = atom.at.map((value, k) => value + (by[k]! / size) * from + by[k]!) as Vector;
      viewer.addArrow({ start: XYZ(start), end: XYZ(end), radius: 0.1, radiusRatio: 2.2, mid: Math.max(0.4, 1 - 0.35 / (size + 0.1)), color: hex(ink) });
    }
  }

  #elements(): void {
    const colours = (this.#library as unknown as { elementColors: { Jmol: Record<string, number> } }).elementColors.Jmol;
    const symbols = [...new Set(this.#atoms.map((atom) => atom.symbol))];
    this.#legend.replaceChildren(...symbols.map((symbol) => {
      const dot = html("span", { class: "sm-atom" });
      dot.style.background = `#${(colours[symbol] ?? 0xff1493).toString(16).padStart(6, "0")}`;
      return html("li", {}, dot, symbol);
    }));
  }

  #buttons(): HTMLElement {
    const keys: [string, string, string][] = [
      ["←", "Turn left", "ArrowLeft"], ["→", "Turn right", "ArrowRight"], ["↑", "Turn up", "ArrowUp"], ["↓", "Turn down", "ArrowDown"],
      ["+", "Zoom in", "+"], ["−", "Zoom out", "-"], ["Reset", "Reset the view", "0"],
    ];
    return html("div", { class: "sm-buttons", role: "group", "aria-label": "View of the structure" }, ...keys.map(([text, name, key]) => {
      const button = html("button", { type: "button", "aria-label": name, title: name }, text);
      button.addEventListener("click", () => this.#turn(key));
      return button;
    }));
  }

  #onKey(event: KeyboardEvent): void {
    if (event.ctrlKey || event.metaKey || event.altKey || !this.#turn(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
  }

  #turn(key: string): boolean {
    const viewer = this.#viewer;
    if (!viewer) return false;
    if (key === "ArrowLeft") viewer.rotate(-TURN, "y");
    else if (key === "ArrowRight") viewer.rotate(TURN, "y");
    else if (key === "ArrowUp") viewer.rotate(-TURN, "x");
    else if (key === "ArrowDown") viewer.rotate(TURN, "x");
    else if (key === "+" || key === "=") viewer.zoom(1.2);
    else if (key === "-" || key === "−") viewer.zoom(1 / 1.2);
    else if (key === "0" || key === "Home") viewer.setView(this.#start);
    else return false;
    viewer.render();
    return true;
  }
}

/** Until an element comes near the window, or the page has stood still for a while: what is read first is drawn first. */
function near(element: Element): Promise<void> {
  return new Promise((done) => {
    const later = setTimeout(() => (observer.disconnect(), done()), 1500);
    const observer = new IntersectionObserver((entries) => {
      if (!entries.some((entry) => entry.isIntersecting)) return;
      clearTimeout(later);
      observer.disconnect();
      done();
    }, { rootMargin: "300px" });
    observer.observe(element);
  });
}

export function hasWebgl(): boolean {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext?.("webgl2") ?? canvas.getContext?.("webgl");
  context?.getExtension("WEBGL_lose_context")?.loseContext();
  return Boolean(context);
}

/** #rrggbb of what getComputedStyle says: 3Dmol reads no others. */
function hex(colour: string): string {
  const parts = /rgba?\((\d+),\s*(\d+),\s*(\d+)/.exec(colour);
  return parts ? `#${parts.slice(1, 4).map((part) => Number(part).toString(16).padStart(2, "0")).join("")}` : "#767676";
}
