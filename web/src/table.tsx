// Tables of panels, with the sources of their numbers; all tables scroll in regions of their own.
import type { ComponentChildren } from "preact";
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { groupsOf } from "./colour";
import type { Entry, Page, Table } from "./contract";
import { csv, typeset } from "./format";
import { save } from "./export";
import { isFiltered } from "./model";
import { printing } from "./print";
import { namesOfSeen } from "./seen";
import { hrefOf, materialHref, view } from "./state";
import { PotentialName } from "./verdict";

/** A region that scrolls to the side where its table is wider than the page; the keyboard reaches it then. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  const region = useRef<HTMLDivElement>(null);
  const [wide, setWide] = useState(false);
  const [more, setMore] = useState(false);
  useLayoutEffect(() => {
    const element = region.current!;
    const measure = () => {
      setWide(element.scrollWidth > element.clientWidth + 1);
      setMore(element.scrollWidth > element.clientWidth + element.scrollLeft + 1);
    };
    measure();
    const observer = new ResizeObserver(measure);
    for (const each of [element, ...element.children]) observer.observe(each);
    element.addEventListener("scroll", measure, { passive: true });
    return () => (observer.disconnect(), element.removeEventListener("scroll", measure));
  });
  return (
    <div class={more ? "scrolls cut" : "scrolls"}>
      {more && <p class="cut-hint" aria-hidden="true">scroll for more →</p>}
      <div ref={region} class="scroll" {...(wide ? { role: "region", "aria-label": `${label}, scrolls to the side`, tabIndex: 0 } : {})}>
        {children}
      </div>
    </div>
  );
}

/** Rows shown of a long table until all are asked for. */
const FIRST = 15;
const LONG = 24;

export function TableView({ table, page }: { table: Table; page: Page }) {
  const [whole, setWhole] = useState(false);
  const right = (i: number) => (table.is_text[i] ? undefined : "right");
  const kept = keptRows(table, page);
  const shown = whole || printing.value || kept.length <= LONG ? kept : kept.slice(0, FIRST);
  const marked = useMemo(() => namesOfSeen(page, cellsOn(page)), [page, view.value.route]);
  const saved = () => csv([table.columns, ...kept.map((row) => row.map(textOf))]);
  return (
    <figure class="table" aria-label={table.title}>
      <figcaption>
        <b class="title">{table.title}</b>
        {isFiltered() && <Scope text={kept.length < table.rows.length ? `${kept.length} of ${table.rows.length} rows` : "of all materials"} />}
        <span class="saves">
          <button type="button" class="plain" onClick={() => save(`${table.name}.csv`, saved(), "text/csv")}>
            CSV<span class="unseen"> of {table.title}</span>
          </button>
        </span>
      </figcaption>
      <Scroll label={`${table.title} (${table.name})`}>
        {(printing.value ? printedColumns(table, shown) : [table.columns.map((_, i) => i)]).map((columns, k) => (
          <table key={k} class="numbers">
            <thead>
              <tr>
                {columns.map((i) =>
                  table.columns[i] ? <th key={i} scope="col" class={right(i)}>{table.columns[i]}</th> : <td key={i} />,
                )}
              </tr>
            </thead>
            <tbody>
              {shown.map((row, r) => (
                <tr key={r}>
                  {columns.map((i) =>
                    i === 0 && textOf(row[i]!) ? (
                      <th key={i} scope="row" class={right(i)}><EntryView entry={row[i]!} page={page} marked={marked} /></th>
                    ) : (
                      <td key={i} class={right(i)}><EntryView entry={row[i]!} page={page} marked={marked} /></td>
                    ),
                  )}
                </tr>
              ))}
            </tbody>
          </table>
        ))}
      </Scroll>
      {shown.length < kept.length && <button type="button" onClick={() => setWhole(true)}>Show all {kept.length} rows</button>}
      {table.note && <p class="note">{table.note}</p>}
    </figure>
  );
}

/** Letters that a printed line has room for. */
const LINE = 134;

/** A table wider than paper is printed in parts; each repeats the texts that say what its rows are. */
function printedColumns(table: Table, rows: Entry[][]): number[][] {
  const firstNumber = table.is_text.indexOf(false);
  const heads = table.columns.map((_, i) => i).slice(0, Math.max(1, firstNumber < 0 ? 1 : Math.min(firstNumber, 3)));
  const width = (i: number) => 2 + Math.min(34, Math.max(...table.columns[i]!.split(" ").map((each) => each.length), ...rows.map((row) => textOf(row[i]!).length)));
  const sum = (columns: number[]) => columns.reduce((all, i) => all + width(i), 0);
  const parts: number[][] = [[...heads]];
  table.columns.forEach((_, i) => {
    if (heads.includes(i)) return;
    const last = parts.at(-1)!;
    if (last.length > heads.length && sum(last) + width(i) > LINE) parts.push([...heads, i]);
    else last.push(i);
  });
  return parts;
}

/** Cells that figures which do not follow the filters are of: all, or those of the material on show. */
export function cellsOn(page: Page): number[] {
  const { route } = view.value;
  const all = page.cells.material.map((_, cell) => cell);
  return route.name === "material" ? all.filter((cell) => page.materials[page.cells.material[cell]!]!.name === route.material) : all;
}

/** What a figure is of that does not follow the filters. */
export function Scope({ text }: { text: string }) {
  return <span class="scope">{text}</span>;
}

/** Rows of the potentials and groups chosen, where columns of a table name them; those of all groups stay. */
function keptRows(table: Table, page: Page): Entry[][] {
  const { potentials, groups, route } = view.value;
  if (route.name === "material") return table.rows; // all of one material: potentials are compared there
  const names = groupsOf(page);
  const column = (known: (text: string) => boolean) =>
    table.columns.findIndex((_, i) => table.is_text[i] && table.rows.length > 0 && table.rows.every((row) => known(textOf(row[i]!))));
  const [ofPotential, ofGroup] = [
    column((text) => page.potentials.some((each) => each.name === text)),
    column((text) => text === "all" || names.has(text) || [...names.values()].includes(text)),
  ];
  const chosen = groups.flatMap((each) => [each, names.get(each) ?? each]);
  return table.rows.filter(
    (row) =>
      (!potentials.length || ofPotential < 0 || potentials.includes(textOf(row[ofPotential]!))) &&
      (!groups.length || ofGroup < 0 || ["all", ...chosen].includes(textOf(row[ofGroup]!))),
  );
}

const textOf = (entry: Entry) => (typeof entry === "string" ? entry : entry.text);

/** Intervals that no line break parts. */
const unbroken = (text: string) => typeset(text).replace(/\[[^\]]*\]/g, (interval) => interval.replaceAll(" ", "\u00a0"));

function EntryView({ entry, page, marked }: { entry: Entry; page: Page; marked: ReadonlySet<string> }) {
  if (page.potentials.some((each) => each.name === textOf(entry))) {
    const name = <PotentialName page={page} name={textOf(entry)} seen={marked.has(textOf(entry))} />;
    if (view.value.route.name === "material" || !page.cells.material.length) return name;
    return <a class="to-cells" href={hrefOf({ route: { name: "cells" }, potentials: [textOf(entry)] })} title="Its cells">{name}</a>;
  }
  if (typeof entry === "string") return <>{unbroken(entry)}</>;
  const href = entry.kind === "material" ? materialHref(entry.href) : harmless(entry.href);
  if (!href) return <span title={entry.source || undefined}>{unbroken(entry.text)}</span>;
  return (
    <a class={entry.kind === "material" ? undefined : "source"} href={href} title={entry.source || undefined}>
      {unbroken(entry.text)}
    </a>
  );
}

/** Files beside the page and pages of the web; no scripts. */
export function harmless(href: string): string {
  return /^(https?:\/\/|(?![a-z][a-z0-9+.-]*:))/i.test(href) ? href : "";
}
