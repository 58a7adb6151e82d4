// Bands of the potentials that the reader switches on.

import { useLayoutEffect, useRef, useState } from "preact/hooks";
import { colourOf } from "../colour";
import type { Dos, Page } from "../contract";
import { Dot } from "../filters";
import { number } from "../format";
import { printing, PRINT_WIDTH } from "../print";
import { drawBands, noiseSeen, type Shown } from "./band_plot";
import type { Path } from "./bands";

interface Props {
  page: Page;
  path: Path | null;
  dos: Dos | null;
  chosen: string | null;
}

export function BandPlot({ page, path, dos, chosen }: Props) {
  const names = path ? path.potentials.map((one) => one.potential!) : (dos?.curves ?? []).flatMap((one) => one.potential ?? []);
  const [shown, setShown] = useState<ReadonlySet<string>>(shownFirst(names, chosen));
  const [last, setLast] = useState(chosen);
  const body = useRef<HTMLDivElement>(null);
  const [width, setWidth] = useState(0);
  if (chosen !== last) {
    setLast(chosen);
    setShown(shownFirst(names, chosen));
  }
  useLayoutEffect(() => {
    const element = body.current!;
    const measure = (): void => setWidth(Math.floor(element.clientWidth));
    measure();
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    return () => observer.disconnect();
  }, []);
  const paper = printing.value;
  useLayoutEffect(() => {
    if (width || paper) body.current!.replaceChildren(drawBands({ page, path, dos, potentials: shown, width: paper ? PRINT_WIDTH : Math.min(width, 1180) }));
  }, [page, path, dos, shown, width, paper]);
  const toggle = (name: string): void => {
    const next = new Set(shown);
    if (!next.delete(name)) next.add(name);
    setShown(next);
  };
  return (
    <>
      <div class="toggles" role="group" aria-label="Potentials shown">
        {path?.reference && <span class="reference-key">reference</span>}
        {names.map((name) => (
          <button key={name} type="button" class="toggle" aria-pressed={shown.has(name)} onClick={() => toggle(name)}>
            <Dot colour={colourOf(page, name)} />{name}
          </button>
        ))}
        {names.length > 1 && <button type="button" class="plain" onClick={() => setShown(new Set(names))}>all</button>}
        {names.length > 0 && <button type="button" class="plain" onClick={() => setShown(new Set())}>none</button>}
      </div>
      <div ref={body} class="band-body" />
      <p class="note">{noteOf({ page, path, dos, potentials: shown, width: paper ? PRINT_WIDTH : Math.min(width, 1180) })}</p>
    </>
  );
}

/** Bands of more potentials than these hide one another: the one that the page tells of is shown at first. */
const FEW = 3;

function shownFirst(names: string[], chosen: string | null): ReadonlySet<string> {
  return new Set(chosen === null || names.length <= FEW ? names : [chosen]);
}

function noteOf(shown: Shown): string {
  const { path, potentials } = shown;
  if (!path) return "Modes per THz and primitive cell.";
  const noises = [path.reference, ...path.potentials.filter((one) => potentials.has(one.potential!))].flatMap((one) =>
    one?.noise ? [{ text: `${one.potential ?? "reference"} ${number(one.noise, 2)} THz`, seen: shown.width > 0 && noiseSeen(shown, one.noise) }] : [],
  );
  const said = (seen: boolean) => noises.filter((one) => one.seen === seen).map((one) => one.text).join(", ");
  const [shaded, thin] = [said(true), said(false)];
  return [
    "Imaginary frequencies (i) stand below the line at zero.",
    ...(shaded ? [`Shaded: frequencies that are noise (${shaded}).`] : []),
    ...(thin ? [`Too thin to be drawn: what is noise about zero (${thin}).`] : []),
  ].join(" ");
}
