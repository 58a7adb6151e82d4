import type { Material, Page } from "../contract";

/** All about a material. */
export function MaterialPage({ material }: { page: Page; material: Material }) {
  return <h1>{material.name}</h1>;
}
