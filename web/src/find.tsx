// A field that leads to a material by its formula or its name, from everywhere; a potential's name beside it chooses that.
import { useState } from "preact/hooks";
import type { Page } from "./contract";
import { compositionOf } from "./formula";
import { NO_FILTERS } from "./model";
import { selectCells } from "./select";
import { show, view } from "./state";

/** Filters that hide what is looked for go, but for the potential. */
const WITHOUT = (({ potentials: _, ...rest }) => ({ ...rest, elements: [], groups: [], only: [] }))(NO_FILTERS);

const isLeft = (page: Page, name: string): boolean => selectCells(page, view.value).some((cell) => page.materials[page.cells.material[cell]!]!.name === name);

/** The material that a text names, and a potential where it names one; none where several may be meant. */
export function findMaterial(page: Page, said: readonly string[], text: string, whole: boolean): { material: string | null; potential: string | null } {
  const lower = text.trim().toLowerCase();
  const named = whole ? page.potentials.map(({ name }) => name).filter((name) => lower.endsWith(` ${name.toLowerCase()}`)).sort((a, b) => b.length - a.length)[0] : undefined;
  const alone = text.trim().slice(0, named ? -named.length : undefined).replace(/\s+(with)?\s*$/, "");
  const wanted = alone.toLowerCase();
  const composition = whole ? compositionOf(alone) : "";
  const exact = page.materials.filter(({ formula, name }, i) => [said[i]!, ...(whole ? [formula, name] : [])].some((each) => each.toLowerCase() === wanted));
  const alike = composition ? page.materials.filter(({ formula }) => compositionOf(formula) === composition) : [];
  const within = whole && wanted ? page.materials.filter((_, i) => said[i]!.toLowerCase().includes(wanted)) : [];
  const found = [exact, alike, within].find((each) => each.length === 1)?.[0];
  return { material: found?.name ?? null, potential: named ?? null };
}

export function FindMaterial({ page }: { page: Page }) {
  const [asked, setAsked] = useState(false);
  const said = page.materials.map(({ formula, name }) => (formula && formula !== name ? `${formula} · ${name}` : name));
  const go = (text: string, whole: boolean) => {
    const { material, potential } = findMaterial(page, said, text, whole);
    const { route } = view.value;
    const chosen = potential ?? (route.name === "material" ? route.potential : undefined);
    if (material) show({ ...(isLeft(page, material) ? {} : WITHOUT), route: { name: "material", material, ...(chosen ? { potential: chosen } : {}) } });
    else if (whole && text.trim()) show({ route: { name: "cells" }, text: text.trim() });
  };
  return (
    <form
      class="find"
      role="search"
      onSubmit={(event) => {
        event.preventDefault();
        go(event.currentTarget.querySelector("input")!.value, true);
      }}
    >
      <label>
        Find a material
        <input type="search" list="materials" placeholder="formula, potential" onFocus={() => setAsked(true)} onInput={(event) => go(event.currentTarget.value, false)} />
      </label>
      <datalist id="materials">{asked && said.map((each, i) => <option key={i} value={each} />)}</datalist>
    </form>
  );
}
