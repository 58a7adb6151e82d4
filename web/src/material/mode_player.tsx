// Modes of a potential, animated on the structure; arrows where the reader prefers stillness.

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { Dot } from "../filters";
import { colourOf } from "../colour";
import type { Mode, Page } from "../contract";
import { frequencyText } from "./bands";
import { atomsOf } from "./geometry";
import { commensurate, displacement, furthest, movement, repeatOf } from "./mode";
import { StructureView } from "./structure_view";

/** Seconds that a period takes on the page, whatever its frequency. */
const PERIOD = 1.8;
const FRAME = 1000 / 24;

interface ModesProps {
  page: Page;
  modes: Mode[];
  chosen: string | null;
  /** Of the chosen potential on this material; −1: none. */
  cell: number;
}

export function Modes({ page, modes, chosen, cell }: ModesProps) {
  const own = modes.filter((mode) => mode.potential === chosen);
  const shown = [...own, ...modes.filter((mode) => mode.potential === null && chosen !== null)];
  const [place, setPlace] = useState(0);
  const mode = shown[Math.min(place, shown.length - 1)];
  if (!mode) return <p class="note">No mode of {chosen ?? "the reference"} is kept for this material.</p>;
  return (
    <>
      <div class="sm-buttons" role="group" aria-label="Modes">
        {shown.map((each, n) => (
          <button key={n} type="button" aria-pressed={each === mode} onClick={() => setPlace(n)}>
            <Dot colour={colourOf(page, each.potential)} />
            {each.potential ?? "reference"}: {each.role}
          </button>
        ))}
      </div>
      <Player mode={mode} of={mode.potential === null && chosen !== null ? ofReference(page, cell, chosen) : ""} />
    </>
  );
}

/** What the chosen potential makes of the reference’s softest mode: the mode itself is stored once for all. */
function ofReference(page: Page, cell: number, chosen: string): string {
  const [rank, alike, most] = ["model_THz", "alike", "most_alike_THz"].map((name) => page.cells.values[`reference_mode_${name}`]?.[cell]);
  if (typeof rank !== "number" || typeof alike !== "number") return "";
  const said = `${Math.round(100 * alike)} % of this motion lies in the mode of the same rank of ${chosen} (${frequencyText(rank)}).`;
  return alike < 0.9 && typeof most === "number" ? `${said} Its mode most like it has ${frequencyText(most)}.` : said;
}

/** `of`: what is to be said of the potential beside a mode of the reference. */
function Player({ mode, of }: { mode: Mode; of: string }) {
  const still = useMemo(() => globalThis.matchMedia?.("(prefers-reduced-motion: reduce)").matches ?? false, []);
  const [playing, setPlaying] = useState(!still);
  const [amplitude, setAmplitude] = useState(0.5);
  const stage = useRef<HTMLDivElement>(null);
  const view = useRef<StructureView | null>(null);
  const time = useRef(0);
  const repeat = useMemo(() => repeatOf(mode.q, mode.structure.symbols.length), [mode]);
  const peak = useMemo(() => furthest(mode, atomsOf(mode.structure, repeat)), [mode, repeat]);

  useEffect(() => {
    const width = stage.current!.clientWidth;
    const made = new StructureView(Math.min(width, 460), Math.min(width, 380), "Mode on the structure");
    view.current = made;
    stage.current!.replaceChildren(made.element);
    return () => made.dispose();
  }, []);
  useEffect(() => {
    view.current!.show(mode.structure, repeat);
    time.current = peak;
  }, [mode, repeat]);
  useEffect(() => {
    if (!playing) {
      view.current!.move(null);
      view.current!.arrows((atom) => displacement(mode, atom, peak, Math.max(0.6, 2.2 * amplitude)));
      return;
    }
    view.current!.arrows(null);
    let request = 0;
    let last = 0;
    const step = (now: number): void => {
      request = requestAnimationFrame(step);
      if (now - last < FRAME || !view.current!.visible) return;
      time.current = (time.current + (last ? Math.min(0.1, (now - last) / 1000 / PERIOD) : 0)) % 1;
      last = now;
      view.current!.move((atom) => displacement(mode, atom, time.current, amplitude));
    };
    request = requestAnimationFrame(step);
    return () => cancelAnimationFrame(request);
  }, [mode, playing, amplitude]);

  return (
    <div class="mode">
      <div ref={stage} class="mode-stage" />
      <div>
        <p>{sentence(mode)}</p>
        <p>{movement(mode)}{of && ` ${of}`}{mode.note && ` ${mode.note.charAt(0).toUpperCase()}${mode.note.slice(1)}${mode.note.endsWith(".") ? "" : "."}`}</p>
        <div class="sm-buttons">
          <button type="button" aria-pressed={playing} onClick={() => setPlaying(!playing)}>{playing ? "Pause" : "Play"}</button>
        </div>
        <label class="amplitude">
          Largest displacement: {amplitude.toFixed(1)} Å
          <input type="range" min="0.1" max="1.5" step="0.1" value={amplitude} onInput={(event) => setAmplitude(Number(event.currentTarget.value))} />
        </label>
        <p class="note">
          {repeat.join(" × ")} primitive cells{commensurate(mode.q, repeat) ? "" : ", which hold no whole wave"}; slowed down, and larger than life. Paused: arrows show which way atoms go.
        </p>
      </div>
    </div>
  );
}

function sentence(mode: Mode): string {
  const q = `q = (${mode.q.map((value) => String(Number(value.toFixed(3))).replace("-", "−")).join(", ")})`;
  const place = mode.q_label ? `${mode.q_label}, ${q}` : q;
  const { frequency_model: model, frequency_reference: reference } = mode;
  const parts = [
    ...(model === null ? [] : [`${frequencyText(model)} with ${mode.potential ?? "the potential"}`]),
    ...(reference === null ? [] : [`${frequencyText(reference)} in the reference`]),
  ];
  const down = (mode.potential === null ? reference : model) ?? 0;
  return `At ${place}: ${parts.join(", ")}.${down < -0.05 ? " Imaginary: along these displacements the energy falls, the crystal is not stable against them." : ""}`;
}
