// The table of cells: sort, choose columns, page by page; every row leads to its material.
import {
  constructTable,
  createColumnHelper,
  createPaginatedRowModel,
  createSortedRowModel,
  rowPaginationFeature,
  rowSortingFeature,
  tableFeatures,
} from "@tanstack/table-core";
import { storeReactivityBindings } from "@tanstack/table-core/store-reactivity-bindings";
import { useMemo } from "preact/hooks";
import { cellRows } from "./chart-data";
import type { Column, Page } from "./contract";
import { save } from "./export";
import { columnText, count, csv, whole } from "./format";
import type { Model } from "./model";
import { printing } from "./print";
import { materialHref, show, view } from "./state";
import { Scroll } from "./table";
import { MaterialLink, PotentialName } from "./verdict";

const PAGE_SIZE = 100;

/** What every table of cells has, before the columns of measurements. */
const FIRST: Record<string, { label: string; of: (page: Page, cell: number) => string }> = {
  material: { label: "material", of: (page, cell) => materialOf(page, cell).formula + "\n" + materialOf(page, cell).name },
  group: { label: "group", of: (page, cell) => materialOf(page, cell).group_name },
  potential: { label: "potential", of: (page, cell) => page.potentials[page.cells.potential[cell]!]!.name },
  state: { label: "state", of: (page, cell) => page.cells.state[cell]! },
  seen: { label: "seen in training", of: (page, cell) => page.cells.seen[cell] ?? "" },
};

const materialOf = (page: Page, cell: number) => page.materials[page.cells.material[cell]!]!;

const features = tableFeatures({
  coreReactivityFeature: storeReactivityBindings(),
  rowSortingFeature,
  rowPaginationFeature,
  sortedRowModel: createSortedRowModel(),
  paginatedRowModel: createPaginatedRowModel(),
});

interface Row {
  cell: number;
}

/** The table as TanStack keeps it: a row for each cell, its value in each column. */
export function cellTable(page: Page, cells: readonly number[]) {
  const helper = createColumnHelper<typeof features, Row>();
  const compare = (a: unknown, b: unknown) =>
    typeof a === "number" && typeof b === "number" ? a - b : String(a).localeCompare(String(b), "en", { numeric: true });
  const column = (name: string, value: (cell: number) => unknown) =>
    helper.accessor(({ cell }) => value(cell) ?? undefined, {
      id: name,
      sortUndefined: "last",
      sortFn: (a, b, id) => compare(a.getValue(id), b.getValue(id)),
    });
  return constructTable({
    features,
    data: cells.map((cell) => ({ cell })),
    columns: helper.columns([
      ...Object.entries(FIRST).map(([name, { of }]) => column(name, (cell) => of(page, cell) || undefined)),
      ...page.columns.map(({ name }) => column(name, (cell) => page.cells.values[name]?.[cell])),
    ]),
    getRowId: ({ cell }) => String(cell),
    initialState: { pagination: { pageIndex: 0, pageSize: PAGE_SIZE } },
    autoResetPageIndex: false,
  });
}

/** Names of the columns shown: those chosen, or the main ones. */
function shownColumns(page: Page, chosen: string[] | null): string[] {
  const uniform = (values: readonly unknown[]) => values.every((each) => each === values[0]);
  const first = ["material", ...(new Set(page.materials.map((each) => each.group)).size > 1 ? ["group"] : []), "potential", ...(uniform(page.cells.state) ? [] : ["state"])];
  const main = page.columns.filter((each) => each.main).map((each) => each.name);
  return chosen ? ["material", "potential", ...chosen.filter((each) => each !== "material" && each !== "potential")] : [...first, ...main];
}

export function CellTable({ model }: { model: Model }) {
  const { page } = model;
  const cells = model.cells.value;
  const { sort, rows: wanted, columns: chosen } = view.value;
  const table = useMemo(() => cellTable(page, cells), [page, cells]);
  const known = new Map([...Object.entries(FIRST).map(([name, { label }]) => [name, label] as const), ...page.columns.map((each) => [each.name, each.label] as const)]);
  const shown = shownColumns(page, chosen).filter((each) => known.has(each));
  const last = Math.max(0, Math.ceil(cells.length / PAGE_SIZE) - 1);
  const at = Math.min(wanted, last);
  table.setSorting(sort && known.has(sort.column) ? [{ id: sort.column, desc: sort.descending }] : []);
  table.setPageIndex(at);
  const rows = table.getRowModel().rows;
  const numeric = new Set(page.columns.filter((each) => each.kind === "number").map((each) => each.name));

  const sortBy = (name: string) => {
    const descending = sort?.column === name ? !sort.descending : false;
    show({ sort: sort?.column === name && sort.descending ? null : { column: name, descending } });
  };
  const saveRows = () => {
    const sorted = table.getSortedRowModel().rows.map((row) => row.original.cell);
    save("cells.csv", csv(cellRows(shown.filter((each) => !(each in FIRST)), page, sorted)), "text/csv");
  };
  return (
    <div class="cells">
      <div class="bar">
        <ChooseColumns page={page} shown={shown} />
        <button type="button" onClick={saveRows}>CSV of {count(cells.length, "cell")}</button>
        <Pages at={at} last={last} n={cells.length} />
      </div>
      {last > 0 && printing.value && (
        <p class="note">
          Rows {whole(at * PAGE_SIZE + 1)}–{whole(at * PAGE_SIZE + rows.length)} of {whole(cells.length)}; tables/cells.csv beside the page has all.
        </p>
      )}
      {cells.length === 0 ? (
        <p>The filters leave no cell.</p>
      ) : (
        <Scroll label="Cells">
          <table class="numbers grid">
            <caption class="unseen">Cells, material by potential; the heads sort</caption>
            <thead>
              <tr>
                {shown.map((name) => {
                  const order = sort?.column === name ? (sort.descending ? "descending" : "ascending") : "none";
                  return (
                    <th key={name} scope="col" aria-sort={order} class={numeric.has(name) ? "right" : undefined}>
                      <button type="button" class="sort" onClick={() => sortBy(name)}>
                        {known.get(name)}
                        <span class="arrow" aria-hidden="true">{order === "none" ? "" : order === "descending" ? "▼" : "▲"}</span>
                      </button>
                    </th>
                  );
                })}
              </tr>
            </thead>
            <tbody>
              {rows.map((row) => (
                <tr key={row.id} class={page.cells.state[row.original.cell] === "ok" ? undefined : "not-ok"}>
                  {shown.map((name) => (
                    <Field key={name} page={page} cell={row.original.cell} name={name} numeric={numeric.has(name)} />
                  ))}
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      )}
      {last > 0 && (
        <div class="bar end">
          <Pages at={at} last={last} n={cells.length} below />
        </div>
      )}
    </div>
  );
}

function Field({ page, cell, name, numeric }: { page: Page; cell: number; name: string; numeric: boolean }) {
  if (name === "material")
    return (
      <th scope="row">
        <MaterialLink page={page} name={materialOf(page, cell).name} potential={page.potentials[page.cells.potential[cell]!]!.name} />
      </th>
    );
  if (name in FIRST) {
    const text = FIRST[name]!.of(page, cell);
    return (
      <td>
        {name === "potential" ? (
          <a href={materialHref(materialOf(page, cell).name, text)}><PotentialName page={page} name={text} seen={page.cells.seen[cell] !== null} /></a>
        ) : (
          text
        )}
      </td>
    );
  }
  const column = page.columns.find((each) => each.name === name)!;
  return <td class={numeric ? "right" : undefined}>{columnText(column, page.cells.values[name]?.[cell])}</td>;
}

function Pages({ at, last, n, below }: { at: number; last: number; n: number; below?: boolean }) {
  if (!last) return null;
  return (
    <nav class="pages" aria-label={`Pages of the table${below ? ", below it" : ""}`}>
      <button type="button" disabled={at === 0} onClick={() => show({ rows: at - 1 }, true)}>
        ‹<span class="unseen"> Page before</span>
      </button>
      <span>
        {whole(at * PAGE_SIZE + 1)}–{whole(Math.min((at + 1) * PAGE_SIZE, n))} of {whole(n)}
      </span>
      <button type="button" disabled={at === last} onClick={() => show({ rows: at + 1 }, true)}>
        ›<span class="unseen"> Next page</span>
      </button>
    </nav>
  );
}

const leaves = (event: FocusEvent) => event.relatedTarget instanceof Node && !(event.currentTarget as Node).contains(event.relatedTarget);

function close(details: HTMLDetailsElement): void {
  if (details.contains(document.activeElement)) details.querySelector("summary")!.focus();
  details.open = false;
}

function ChooseColumns({ page, shown }: { page: Page; shown: string[] }) {
  const optional: Column[] = page.columns;
  const chapters = [...new Set(optional.map((each) => each.chapter))];
  const chosen = shown.filter((each) => each !== "material" && each !== "potential");
  const set = (name: string, on: boolean) => {
    const next = on ? [...chosen, name] : chosen.filter((each) => each !== name);
    const order = [...Object.keys(FIRST), ...optional.map((each) => each.name)];
    show({ columns: next.sort((a, b) => order.indexOf(a) - order.indexOf(b)) }, true);
  };
  const option = (name: string, label: string) => (
    <label key={name} class="check">
      <input type="checkbox" checked={chosen.includes(name)} onChange={(event) => set(name, event.currentTarget.checked)} />
      {label}
    </label>
  );
  return (
    <details class="columns" onKeyDown={(event) => event.key === "Escape" && close(event.currentTarget)} onFocusOut={(event) => leaves(event) && close(event.currentTarget)}>
      <summary>Columns ({shown.length})</summary>
      <div class="sheet">
        <fieldset>
          <legend>of every cell</legend>
          {Object.entries(FIRST).filter(([name]) => name !== "material" && name !== "potential").map(([name, { label }]) => option(name, label))}
        </fieldset>
        {chapters.map((chapter) => (
          <fieldset key={chapter}>
            <legend>{chapter}</legend>
            {optional.filter((each) => each.chapter === chapter).map((each) => option(each.name, each.label))}
          </fieldset>
        ))}
        <button type="button" class="plain" onClick={() => show({ columns: null }, true)}>
          Back to the main ones
        </button>
      </div>
    </details>
  );
}
