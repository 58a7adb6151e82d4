import { useLayoutEffect, useRef } from "preact/hooks";
import { drawChart } from "./charts/draw";
import type { Chart, Page, Panel } from "./contract";
import { hrefOf, materialHref } from "./state";

/** A chart with its title and note. */
export function Figure({ page, chart, cells }: { page: Page; chart: Chart; cells: readonly number[] }) {
  const body = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const width = body.current!.clientWidth;
    body.current!.replaceChildren(drawChart(chart, { page, cells, width, materialHref, viewHref: hrefOf }));
  }, [page, chart, cells]);
  return (
    <figure>
      <figcaption>{chart.title}</figcaption>
      <div ref={body} />
    </figure>
  );
}

/** A panel: charts, pictures, tables, what is missing. Also on the pages of materials. */
export function PanelView({ page, panel, cells }: { page: Page; panel: Panel; cells: readonly number[] }) {
  return (
    <section>
      <h2>{panel.title}</h2>
      {panel.charts.map((chart) => (
        <Figure key={chart.name} page={page} chart={chart} cells={cells} />
      ))}
    </section>
  );
}
