// Tables of panels, with the sources of their numbers; all tables scroll in regions of their own.
import type { ComponentChildren } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Entry, Table } from "./contract";
import { csv } from "./format";
import { save } from "./export";
import { materialHref } from "./state";

/** A region that scrolls to the side where its table is wider than the page; the keyboard reaches it then. */
export function Scroll({ label, children }: { label: string; children: ComponentChildren }) {
  const region = useRef<HTMLDivElement>(null);
  const [wide, setWide] = useState(false);
  useEffect(() => {
    const element = region.current!;
    const measure = () => setWide(element.scrollWidth > element.clientWidth + 1);
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  });
  return (
    <div ref={region} class="scroll" {...(wide ? { role: "region", "aria-label": `${label}, scrolls to the side`, tabIndex: 0 } : {})}>
      {children}
    </div>
  );
}

export function TableView({ table }: { table: Table }) {
  const right = (i: number) => (table.is_text[i] ? undefined : "right");
  const rows = () => [table.columns, ...table.rows.map((row) => row.map(textOf))];
  return (
    <figure class="table">
      <figcaption>
        <b class="title">{table.title}</b>
        <span class="saves">
          <button type="button" class="plain" onClick={() => save(`${table.name}.csv`, csv(rows()), "text/csv")}>
            CSV<span class="unseen"> of {table.title}</span>
          </button>
        </span>
      </figcaption>
      <Scroll label={table.title}>
        <table class={table.columns.length > 9 ? "numbers many" : "numbers"}>
          <thead>
            <tr>
              {table.columns.map((each, i) => (
                <th key={i} scope="col" class={right(i)}>{each}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {table.rows.map((row, r) => (
              <tr key={r}>
                {row.map((entry, i) =>
                  i === 0 ? (
                    <th key={i} scope="row" class={right(i)}><EntryView entry={entry} /></th>
                  ) : (
                    <td key={i} class={right(i)}><EntryView entry={entry} /></td>
                  ),
                )}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {table.note && <p class="note">{table.note}</p>}
    </figure>
  );
}

const textOf = (entry: Entry) => (typeof entry === "string" ? entry : entry.text);

/** Intervals that no line break parts. */
const unbroken = (text: string) => text.replace(/\[[^\]]*\]/g, (interval) => interval.replaceAll(" ", "\u00a0"));

function EntryView({ entry }: { entry: Entry }) {
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
