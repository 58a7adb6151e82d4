// The head of a material's page: what it is, who has seen it, and the way to its neighbours.

import { useMemo } from "preact/hooks";
import { cellTable } from "../cells";
import type { Material, Page } from "../contract";
import { listed, whole } from "../format";
import { isFiltered } from "../model";
import { selectCells } from "../select";
import { hrefOf, materialHref, view } from "../state";
import { Formula } from "../verdict";

interface Props {
  page: Page;
  material: Material;
  /** Its cells. */
  cells: readonly number[];
  /** What the page tells of, if it was asked for: its neighbours' pages do, too. */
  potential: string | undefined;
}

export function Header({ page, material, cells, potential }: Props) {
  const seen = cells.filter((cell) => page.cells.seen[cell] !== null);
  const facts = [material.group_name || material.group, material.elements.length ? `of ${listed(material.elements, 12)}` : "", material.reference && `reference: ${material.reference}`];
  return (
    <header class="top">
      <Neighbours page={page} material={material} potential={potential} />
      <h1 tabIndex={-1}>
        <Formula text={material.formula} />
        {material.name !== material.formula && <> <small class="id">{material.name}</small></>}
      </h1>
      <p class="facts">{facts.filter(Boolean).join(" · ")}</p>
      {seen.length > 0 && (
        <p class="notices">
          {[["train", "Trained on the phonons of this crystal"], ["val", "Chosen by them"]]
            .map(([how, said]) => [said, seen.filter((cell) => (page.cells.seen[cell] === "train") === (how === "train"))] as const)
            .filter(([, cells]) => cells.length > 0)
            .map(([said, cells]) => `${said}: ${listed(cells.map((cell) => page.potentials[page.cells.potential[cell]!]!.name), 12)}.`)
            .join(" ")}
        </p>
      )}
    </header>
  );
}

function Neighbours({ page, material, potential }: Omit<Props, "cells">) {
  const order = useOrder(page);
  const at = order.indexOf(page.materials.indexOf(material));
  const link = (place: number | undefined, text: string, before: boolean) => {
    const other = place === undefined ? undefined : page.materials[place];
    if (!other) return <span />;
    const name = <Formula text={other.formula} />;
    return (
      <a href={materialHref(other.name, potential)} rel={before ? "prev" : "next"} title={other.name}>
        {before && "‹ "}<span class="unseen">{text} </span>{name}{!before && " ›"}
      </a>
    );
  };
  return (
    <nav class="neighbours" aria-label="Materials">
      <a href={hrefOf({ route: { name: "overview" } })}>Overview</a>
      {link(order[at - 1], "Material before:", true)}
      <span class="facts">
        {at < 0 ? "not among those the filters leave" : `${whole(at + 1)} of ${whole(order.length)}${isFiltered() ? " that the filters leave" : ""}`}
      </span>
      {at >= 0 && link(order[at + 1], "Next material:", false)}
    </nav>
  );
}

/** Places of the materials that the filters leave, in the order of the table of cells. */
function useOrder(page: Page): number[] {
  const { sort } = view.value;
  const filters = JSON.stringify({ ...view.value, route: null });
  return useMemo(() => {
    const cells = selectCells(page, view.peek());
    const table = cellTable(page, cells);
    const known = sort && (page.columns.some((one) => one.name === sort.column) || ["material", "group", "potential", "state", "seen"].includes(sort.column));
    table.setSorting(known ? [{ id: sort.column, desc: sort.descending }] : []);
    const rows = known ? table.getSortedRowModel().rows.map((row) => row.original.cell) : cells;
    return [...new Set(rows.map((cell) => page.cells.material[cell]!))];
  }, [page, filters]);
}
