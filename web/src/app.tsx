import type { ComponentChildren } from "preact";
import { useEffect, useLayoutEffect, useMemo, useRef, useState } from "preact/hooks";
import { CellTable } from "./cells";
import { Choice } from "./choice";
import { groupsOf } from "./colour";
import type { Page } from "./contract";
import { Failures } from "./failures";
import { Filters, Selection } from "./filters";
import { FindMaterial } from "./find";
import { count, whole } from "./format";
import { MaterialPage } from "./material/page";
import { Licences, Method } from "./method";
import { isFiltered, modelOf, panelsOf, type Model } from "./model";
import { PanelView } from "./panel";
import { printing } from "./print";
import { arrivals, hrefOf, keptHere, scrollBefore, view, type Route } from "./state";
import { Term } from "./terms";
import { setTheme, theme, type Theme } from "./theme";
import { OfGroups, Verdict, WithNames } from "./verdict";

export function App({ page }: { page: Page }) {
  const model = useMemo(() => modelOf(page), [page]);
  const route = view.value.route;
  const title = titleOf(page, route);
  useArrival(page, route);
  return (
    <>
      <a class="skip" href="#main" onClick={(event) => (event.preventDefault(), document.getElementById("main")!.focus())}>
        To the content
      </a>
      <Navigation page={page} model={model} route={route} />
      <main id="main" tabIndex={-1}>
        <View model={model} route={route} title={title} />
        <footer>
          <p>
            softmode {page.version}, {page.date}, seed {page.seed}.
          </p>
          <Licences />
        </footer>
      </main>
    </>
  );
}

function titleOf(page: Page, route: Route): string {
  switch (route.name) {
    case "overview":
      return page.title;
    case "chapter":
      return route.chapter;
    case "cells":
      return "All cells";
    case "failures":
      return "Failures";
    case "method":
      return "Method and sources";
    case "all":
      return "The whole report";
    case "material":
      return page.materials.find((each) => each.name === route.material)?.formula ?? "Unknown material";
  }
}

/** Another view begins at its top, at its panel, or where the reader left it, and says its title; not the first one. */
function useArrival(page: Page, route: Route): void {
  const key = JSON.stringify({ ...route, potential: undefined });
  const first = useRef(true);
  useLayoutEffect(() => {
    document.title = route.name === "overview" ? page.title : `${titleOf(page, route)} · ${page.title}`;
    const panel = route.name === "chapter" && route.panel ? document.getElementById(`title-${route.panel}`) : null;
    const before = scrollBefore.value;
    if (!first.current) (panel ?? document.querySelector<HTMLElement>("h1"))?.focus({ preventScroll: true });
    const again = !first.current && before !== null;
    if (panel && !again) panel.scrollIntoView();
    else if (!first.current && !again) window.scrollTo(0, 0);
    first.current = false;
    return again ? standAt(before) : undefined;
  }, [key]);
}

/** Goes to where the window stood, again as parts that are drawn later make the page longer; until the reader moves. */
function standAt(top: number): () => void {
  let tries = 0;
  const go = (): void => {
    window.scrollTo(0, top);
    if (++tries > 20 || Math.abs(window.scrollY - top) < 2) stop();
  };
  const timer = setInterval(go, 50);
  const stop = (): void => clearInterval(timer);
  const moves = ["wheel", "touchstart", "keydown", "pointerdown"];
  for (const each of moves) window.addEventListener(each, stop, { once: true, passive: true });
  go();
  return stop;
}

function View({ model, route, title }: { model: Model; route: Route; title: string }) {
  const { page } = model;
  if (route.name === "overview") return <Overview model={model} />;
  if (route.name === "all") return <Everything model={model} />;
  if (route.name === "material") {
    const material = page.materials.find((each) => each.name === route.material);
    if (material) return <MaterialPage key={material.name} page={page} material={material} />;
    return (
      <>
        <h1 tabIndex={-1}>{title}</h1>
        <p>
          This page has no material “{route.material}”. <a href={hrefOf({ route: { name: "cells" } })}>All cells</a>
        </p>
      </>
    );
  }
  return (
    <>
      <h1 tabIndex={-1}>{title}</h1>
      {route.name !== "method" && <FoldedFilters model={model} />}
      {route.name === "chapter" && <Chapter model={model} chapter={route.chapter} />}
      {route.name === "cells" && <CellTable model={model} />}
      {route.name === "failures" && <Failures model={model} />}
      {route.name === "method" && <Method page={page} />}
    </>
  );
}

/** More groups than these are chosen among the filters. */
const FEW_GROUPS = 8;

/** `whole`: with the chapters below it. An address with filters opens on the answer for what they leave. */
function Overview({ model, whole = false }: { model: Model; whole?: boolean }) {
  const { page } = model;
  const selected = useMemo(() => !whole && keptHere(isFiltered), [arrivals.value]);
  const groups = [...groupsOf(page)];
  const contents = page.cells.material.length > 0 && !whole && <Contents model={model} />;
  const which = page.materials.length < 2 ? "Potentials compared" : model.metric.value?.better ? "Which potential, for which chemistry" : "Which chemistry";
  const rest = (
    <>
      <Verdict model={model} title={selected ? "Verdict of the whole run" : "Verdict"} />
      {page.notices.length > 0 && (
        <ul class="notices" aria-label="To be known">
          {page.notices.map((each, i) => <li key={i}><WithNames page={page} text={each} /></li>)}
        </ul>
      )}
      {page.kind === "paper" && contents}
    </>
  );
  return (
    <>
      <header class="top">
        <h1 tabIndex={-1}>{page.title}</h1>
        <p class="lead"><WithNames page={page} text={page.lead} /></p>
        <Facts page={page} />
        {page.materials.length > 1 && page.verdict.length > 0 && !selected && !whole && (
          <p class="jump">
            <button type="button" class="plain" onClick={() => document.getElementById("which")!.scrollIntoView()}>
              Choose elements, groups, potentials ↓
            </button>
            {groups.length > 1 && groups.length <= FEW_GROUPS && (
              <span class="facts">
                {" "}or the answer for{" "}
                {groups.map(([key, name], i) => (
                  <>{i > 0 && ", "}<a href={hrefOf({ groups: [key] })}>{name}</a></>
                ))}
              </span>
            )}
          </p>
        )}
      </header>
      {!selected && rest}
      {page.cells.material.length > 0 && (
        <section class="which" aria-labelledby="which">
          <h2 id="which">{selected ? "Of what the filters leave" : which}</h2>
          {selected ? <FoldedFilters model={model} /> : <><Selection model={model} /><Filters model={model} /></>}
          <Choice model={model} />
          {selected && <OfGroups page={page} />}
        </section>
      )}
      {selected && rest}
      {!page.cells.material.length && !whole && model.chapters.map((chapter) => <Chapter key={chapter} model={model} chapter={chapter} />)}
      {page.kind !== "paper" && contents}
    </>
  );
}

/** Chapters with their panels. */
function Contents({ model: { page, chapters } }: { model: Model }) {
  if (!chapters.length) return null;
  return (
    <section aria-labelledby="contents">
      <h2 id="contents">In detail</h2>
      <ul class="contents">
        {chapters.map((chapter) => (
          <li key={chapter}>
            <b>{chapter}</b>
            <ul>
              {panelsOf(page, chapter).map((each) => (
                <li key={each.key}>
                  <a href={hrefOf({ route: { name: "chapter", chapter, panel: each.key } })}>{each.title}</a>
                </li>
              ))}
            </ul>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Facts({ page }: { page: Page }) {
  const { done, failed, pending } = page.counts;
  const facts = [
    page.materials.length ? count(page.materials.length, "material") : "",
    page.potentials.length ? count(page.potentials.length, "potential") : "",
    page.cells.material.length > 0 && <Term of="cell" text={`${count(done, "cell")} done`} />,
    failed ? `${whole(failed)} failed` : "",
    pending ? `${whole(pending)} pending` : "",
    page.protocol && <Term of="protocol" text={`protocol ${page.protocol}`} />,
  ].filter(Boolean);
  return <p class="facts">{facts.map((each, i) => <>{i > 0 && " · "}{each}</>)}</p>;
}

function FoldedFilters({ model }: { model: Model }) {
  const [open, setOpen] = useState(false);
  const panel = useRef<HTMLDivElement>(null);
  useEffect(() => void (open && panel.current?.scrollIntoView?.({ block: "start" })), [open]); // the button follows the reader
  if (!model.page.cells.material.length) return null;
  return (
    <div class="folded">
      <Selection model={model}>
        <button type="button" aria-expanded={open} onClick={() => setOpen(!open)}>Filters</button>
      </Selection>
      {open && <div ref={panel}><Filters model={model} /></div>}
    </div>
  );
}

function Chapter({ model, chapter }: { model: Model; chapter: string }) {
  const panels = panelsOf(model.page, chapter);
  if (!panels.length) return <p>This page has no such chapter.</p>;
  return (
    <>
      {panels.length > 2 && !printing.value && (
        <nav class="within" aria-label={`Panels of ${chapter}`}>
          <ul>
            {panels.map((each) => (
              <li key={each.key}>
                <a href={hrefOf({ route: { name: "chapter", chapter, panel: each.key } })}>{each.title}</a>
              </li>
            ))}
          </ul>
        </nav>
      )}
      {panels.map((each) => (
        <PanelView key={each.key} page={model.page} panel={each} cells={model.cells.value} level={2} />
      ))}
    </>
  );
}

/** The whole report, in order: to be printed. */
function Everything({ model }: { model: Model }) {
  const { page } = model;
  const part = (title: string, children: ComponentChildren) => (
    <section class="part">
      <h1>{title}</h1>
      {children}
    </section>
  );
  return (
    <>
      <p class="jump">
        <button type="button" onClick={() => window.print()}>Print the whole report</button>
      </p>
      <Overview model={model} whole />
      {model.chapters.map((chapter) => part(chapter, <Chapter model={model} chapter={chapter} />))}
      {page.failures.length > 0 && part("Failures", <Failures model={model} />)}
      {part("Method and sources", <Method page={page} />)}
    </>
  );
}

function Navigation({ page, model, route }: { page: Page; model: Model; route: Route }) {
  const [open, setOpen] = useState(false);
  const key = JSON.stringify(route);
  useEffect(() => setOpen(false), [key]);
  const link = (to: Route, text: ComponentChildren, current: boolean) => (
    <a href={hrefOf({ route: to })} aria-current={current ? "page" : undefined}>{text}</a>
  );
  return (
    <header class="side">
      <div class="brand">
        <a href={hrefOf({ route: { name: "overview" } })}>softmode</a>
        <button type="button" class="menu" aria-expanded={open} aria-controls="navigation" onClick={() => setOpen(!open)}>
          Menu
        </button>
      </div>
      <nav id="navigation" aria-label="Parts of the page" class={open ? "open" : ""}>
        <ul>
          <li>{link({ name: "overview" }, "Overview", route.name === "overview")}</li>
          {model.chapters.map((chapter) => {
            const here = route.name === "chapter" && route.chapter === chapter;
            return (
              <li key={chapter}>
                {link({ name: "chapter", chapter, panel: "" }, chapter, here && !route.panel)}
                {here && (
                  <ul>
                    {panelsOf(page, chapter).map((each) => (
                      <li key={each.key}>{link({ name: "chapter", chapter, panel: each.key }, each.title, route.panel === each.key)}</li>
                    ))}
                  </ul>
                )}
              </li>
            );
          })}
          {page.cells.material.length > 0 && <li>{link({ name: "cells" }, "All cells", route.name === "cells")}</li>}
          {page.failures.length > 0 && (
            <li>{link({ name: "failures" }, <>Failures <span class="number">{page.failures.length}</span></>, route.name === "failures")}</li>
          )}
          <li>{link({ name: "method" }, "Method and sources", route.name === "method")}</li>
          {page.panels.length > 0 && <li>{link({ name: "all" }, "Print the whole report", route.name === "all")}</li>}
        </ul>
        {page.materials.length > 1 && <FindMaterial page={page} />}
        <label class="theme">
          Colours{" "}
          <select value={theme.value} onChange={(event) => setTheme(event.currentTarget.value as Theme)}>
            <option value="system">as the system</option>
            <option value="light">light</option>
            <option value="dark">dark</option>
          </select>
        </label>
      </nav>
    </header>
  );
}
