// Panels: charts, pictures, tables and what is missing. Also on the pages of materials.
import { useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { chartRows } from "./chart-data";
import { drawChart } from "./charts/draw";
import type { Chart, Page, Panel } from "./contract";
import { savePng, saveSvg, save } from "./export";
import { csv, whole } from "./format";
import { shownChart } from "./follow";
import { isFiltered } from "./model";
import { printing, PRINT_WIDTH } from "./print";
import { DAGGER, namesOfSeen } from "./seen";
import { hrefOf, materialHref, view } from "./state";
import { cellsOn, Scope, TableView } from "./table";
import { seenHere, WithNames } from "./verdict";

interface Shown {
  page: Page;
  /** Places of the cells that the filters leave. */
  cells: readonly number[];
}

/** A chart with its title, its note and its files; drawn when it comes near the window. */
export function Figure({ page, chart: given, cells }: Shown & { chart: Chart }) {
  const chart = useMemo(() => shownChart(given, page, cells), [given, page, cells]);
  const body = useRef<HTMLDivElement>(null);
  const [near, setNear] = useState(false);
  const [width, setWidth] = useState(0);
  const paper = printing.value;
  const route = view.value.route;
  const seen = useMemo(() => namesOfSeen(page, chart.kind.startsWith("cell_") || chart !== given ? cells : cellsOn(page)), [page, chart, cells, route]);
  const [daggers, setDaggers] = useState(false);
  const context = (pixels: number) => ({ page, cells, seen, width: pixels, materialHref, viewHref: hrefOf });

  useLayoutEffect(() => {
    const element = body.current!;
    setWidth(Math.floor(element.clientWidth));
    const sized = new ResizeObserver(() => setWidth(Math.floor(element.clientWidth)));
    sized.observe(element);
    const seen = new IntersectionObserver((entries) => entries.some((each) => each.isIntersecting) && setNear(true), { rootMargin: "400px" });
    seen.observe(element);
    return () => (sized.disconnect(), seen.disconnect());
  }, []);
  useLayoutEffect(() => {
    if (!paper && !(near && width)) return;
    body.current!.replaceChildren(drawChart(chart, context(paper ? PRINT_WIDTH : width)));
    body.current!.classList.remove("waiting");
    setDaggers(body.current!.textContent!.includes(DAGGER));
  }, [page, chart, cells, near, width, paper]);

  return (
    <figure class="figure" aria-label={chart.title}>
      <figcaption>
        <b class="title">{chart.title}</b>
        {!chart.kind.startsWith("cell_") && isFiltered() && <Scope text={chart === given ? "of all materials" : "of what the filters leave"} />}
        <span class="saves">
          <button type="button" class="plain" onClick={() => saveSvg(chart, context(width))}>SVG<span class="unseen"> of {chart.title}</span></button>
          <button type="button" class="plain" onClick={() => void savePng(chart, context(width))}>PNG<span class="unseen"> of {chart.title}</span></button>
          <button type="button" class="plain" onClick={() => save(`${chart.name}.csv`, csv(chartRows(chart, page, cells)), "text/csv")}>CSV<span class="unseen"> of {chart.title}</span></button>
        </span>
      </figcaption>
      <div ref={body} class="chart waiting" />
      {(chart.note || daggers) && <p class="note">{chart.note}{daggers && ` ${DAGGER} has seen the phonons of ${seenHere()} in training.`}</p>}
    </figure>
  );
}

/** `level`: of its heading. */
export function PanelView({ page, panel, cells, level = 3 }: Shown & { panel: Panel; level?: 2 | 3 }) {
  const Heading = `h${level}` as "h2" | "h3";
  return (
    <section class="panel" id={`panel-${panel.key}`} aria-labelledby={`title-${panel.key}`}>
      <Heading id={`title-${panel.key}`} tabIndex={-1}>{panel.title}</Heading>
      {panel.caption && <p class="caption"><WithNames page={page} text={panel.caption} /></p>}
      {panel.charts.map((each) => (
        <Figure key={each.name} page={page} chart={each} cells={cells} />
      ))}
      {panel.pictures.map((each) => (
        <figure key={each.name} class="picture">
          <figcaption><b class="title">{each.title}</b></figcaption>
          <img src={each.data} alt={each.title} width={each.width} loading="lazy" />
        </figure>
      ))}
      {panel.tables.map((each) => (
        <TableView key={each.name} table={each} page={page} />
      ))}
      {panel.missing.length > 0 && (
        <div class="missing">
          <b>What is missing</b>
          <ul>{panel.missing.map((each, i) => <li key={i}><WithNames page={page} text={each} /></li>)}</ul>
        </div>
      )}
      {panel.lists.length > 0 && (
        <p class="note">
          Made from{" "}
          {panel.lists.map((each, i) => (
            <>
              {i > 0 && ", "}
              <a href={`tables/${encodeURIComponent(each.name)}.csv`}>tables/{each.name}.csv</a> ({whole(each.n)} {each.n === 1 ? "row" : "rows"})
            </>
          ))}
          .
        </p>
      )}
    </section>
  );
}
