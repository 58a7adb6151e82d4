// All about a material: what potentials get wrong on it, its bands, structure and modes, its panels, how to get it again.

import { useEffect, useMemo, useState } from "preact/hooks";
import type { Detail, Material, Page } from "../contract";
import { typeset } from "../format";
import { PanelView } from "../panel";
import { readDetail } from "../parts";
import { colourOf } from "../colour";
import { Dot } from "../filters";
import { NO_FILTERS } from "../model";
import { Dagger, WithNames } from "../verdict";
import { pathOf } from "./bands";
import { BandPlot } from "./band_view";
import { Compared } from "./compared";
import { Crystal } from "./crystal";
import { Header } from "./header";
import "./material.css";
import { Modes } from "./mode_player";
import { Commands, Records } from "./provenance";
import { cellOf, judged, reasons } from "./why";
import { errorsOf } from "../select";
import { hrefOf, show, view } from "../state";

type Loaded = { detail: Detail | null } | { error: string } | null;

export function MaterialPage({ page, material }: { page: Page; material: Material }) {
  const loaded = useDetail(page, material);
  const detail = loaded && "detail" in loaded ? loaded.detail : null;
  const path = useMemo(() => (detail?.bands ? pathOf(detail.bands) : null), [detail]);
  const place = page.materials.indexOf(material);
  const cells = useMemo(() => page.cells.material.flatMap((one, cell) => (one === place ? [cell] : [])), [page, place]);
  const known = cells.map((cell) => page.potentials[page.cells.potential[cell]!]!.name);
  const { route } = view.value;
  const asked = route.name === "material" ? route.potential : undefined;
  const chosen = asked !== undefined && known.includes(asked) ? asked : firstChosen(page, place, known);
  const pick = (potential: string): void => show({ route: { name: "material", material: material.name, potential } }, true);
  return (
    <article class="material">
      <Header page={page} material={material} cells={cells} potential={asked} />
      {chosen !== null && (
        <section aria-labelledby="why">
          <h2 id="why">{judged(page).length || path?.reference ? "What potentials get wrong here, and right" : "What potentials say of it"}</h2>
          <Why page={page} place={place} chosen={chosen} names={known} pick={pick} asked={chosen === asked || leftAlone(known) !== null} path={path} modes={detail?.modes ?? []} />
          <Compared page={page} cells={cells} path={path} chosen={chosen} pick={pick} />
        </section>
      )}
      {loaded === null && <p class="note" role="status">Reading the details …</p>}
      {loaded && "error" in loaded && <p class="missing">{loaded.error}</p>}
      {loaded && "detail" in loaded && !detail && <p class="note">This page holds no bands or structure of it.</p>}
      {detail && (
        <>
          {(path || detail.dos) && (
            <section aria-labelledby="bands">
              <h2 id="bands">{path ? "Phonon bands" : "Densities of states"}{path && detail.dos && " and densities of states"}</h2>
              <BandPlot page={page} path={path} dos={detail.dos} chosen={chosen} />
            </section>
          )}
          {detail.structure && <Crystal structure={detail.structure} />}
          {detail.modes.length > 0 && (
            <section aria-labelledby="modes">
              <h2 id="modes">Modes that are worst</h2>
              <Modes page={page} modes={detail.modes} chosen={chosen} cell={chosen === null ? -1 : cellOf(page, place, page.potentials.findIndex((one) => one.name === chosen))} />
            </section>
          )}
          {detail.panels.map((panel) => (
            <PanelView key={panel.key} page={page} panel={panel} cells={cells} level={2} />
          ))}
          <Commands commands={detail.commands} />
          <Records records={detail.records} />
        </>
      )}
    </article>
  );
}

function useDetail(page: Page, material: Material): Loaded {
  const [loaded, setLoaded] = useState<Loaded>(null);
  useEffect(() => {
    let current = true;
    setLoaded(null);
    readDetail(page, material.name).then(
      (detail) => current && setLoaded({ detail }),
      (error: unknown) => current && setLoaded({ error: error instanceof Error ? error.message : String(error) }),
    );
    return () => void (current = false);
  }, [page, material]);
  return loaded;
}

/** The potential that filters, or words searched for, leave alone. */
function leftAlone(known: string[]): string | null {
  const { potentials, text } = view.value;
  const words = text.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = known.filter((name) => potentials.includes(name));
  const searched = known.filter((name) => words.some((word) => word.length > 2 && name.toLowerCase().includes(word)));
  return chosen.length === 1 ? chosen[0]! : searched.length === 1 ? searched[0]! : null;
}

/** The potential that filters leave alone, else the one with the largest error here. */
function firstChosen(page: Page, place: number, known: string[]): string | null {
  const only = leftAlone(known);
  if (only) return only;
  const column = judged(page).find((each) => each.better === "low") ?? judged(page)[0];
  const errors = column && errorsOf(page, column);
  const sign = column?.better === "high" ? -1 : 1;
  let worst = known[0] ?? null;
  let most = -Infinity;
  for (const name of errors ? known : []) {
    const error = sign * (errors![cellOf(page, place, page.potentials.findIndex((one) => one.name === name))] ?? NaN);
    if (Number.isFinite(error) && error > most) [most, worst] = [error, name];
  }
  return worst;
}

interface WhyProps {
  page: Page;
  place: number;
  chosen: string;
  names: string[];
  pick: (name: string) => void;
  /** Whether the potential was asked for. */
  asked: boolean;
  path: ReturnType<typeof pathOf> | null;
  modes: Detail["modes"];
}

function Why({ page, place, chosen, names, pick, asked, path, modes }: WhyProps) {
  const cell = cellOf(page, place, page.potentials.findIndex((one) => one.name === chosen));
  const { lead, kin, wrong, right } = reasons(page, cell, chosen, path, modes);
  const all = kin && hrefOf({ ...NO_FILTERS, route: { name: "cells" }, elements: kin.elements, groups: [], only: [], potentials: [chosen] });
  const [first, ...more] = lead;
  return (
    <div class="why">
      <p class="why-name">
        <b class="on-paper"><Dot colour={colourOf(page, chosen)} />{chosen}</b>
        <label>
          <Dot colour={colourOf(page, chosen)} />
          <span class="unseen">Potential</span>{" "}
          <select value={chosen} onChange={(event) => pick(event.currentTarget.value)}>
            {names.map((name) => <option key={name} value={name}>{name}</option>)}
          </select>
        </label>
        {cell >= 0 && page.cells.seen[cell] !== null && <Dagger />}
        {names.length > 1 && <span class="facts">{asked ? "" : "It has the largest error here. "}Choose among {names.length} potentials.</span>}
      </p>
      <div class="prose" aria-live="polite">
        {first && <p><b>{typeset(first)}</b></p>}
        {(kin || more.length > 0) && (
          <ul>
            {kin && <li>{typeset(kin.text)} <a href={all!}>Their cells</a></li>}
            {more.map((said, n) => <li key={n}><WithNames page={page} text={said} /></li>)}
          </ul>
        )}
        {wrong.length > 0 && <List title={lead.length ? "Also" : ""} items={wrong} />}
        {right.length > 0 && <List title="What it gets right" items={right} />}
      </div>
    </div>
  );
}

function List({ title, items }: { title: string; items: string[] }) {
  return (
    <>
      {title && <h3>{title}</h3>}
      <ul>{items.map((said, n) => <li key={n}>{typeset(said)}</li>)}</ul>
    </>
  );
}
