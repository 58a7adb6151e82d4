// A field that leads to a material by its formula or its name, from everywhere.
import { useState } from "preact/hooks";
import type { Page } from "./contract";
import { show } from "./state";

export function FindMaterial({ page }: { page: Page }) {
  const [asked, setAsked] = useState(false);
  const said = page.materials.map(({ formula, name }) => (formula && formula !== name ? `${formula} · ${name}` : name));
  const go = (text: string, whole: boolean) => {
    const wanted = text.trim().toLowerCase();
    const found = page.materials.filter(({ formula, name }, i) =>
      [said[i]!, ...(whole ? [formula, name] : [])].some((each) => each.toLowerCase() === wanted),
    );
    const only = page.materials.filter((_, i) => said[i]!.toLowerCase().includes(wanted));
    if (found.length === 1) show({ route: { name: "material", material: found[0]!.name } });
    else if (whole && wanted && only.length === 1) show({ route: { name: "material", material: only[0]!.name } });
    else if (whole && wanted) show({ route: { name: "cells" }, text: text.trim() });
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
        <input type="search" list="materials" onFocus={() => setAsked(true)} onInput={(event) => go(event.currentTarget.value, false)} />
      </label>
      <datalist id="materials">{asked && said.map((each, i) => <option key={i} value={each} />)}</datalist>
    </form>
  );
}
