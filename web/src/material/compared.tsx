// All potentials on one material, with where it stands among all others for each of them.

import { useMemo } from "preact/hooks";
import { ramp } from "../charts/looks";
import type { Column, Page } from "../contract";
import { columnText, number } from "../format";
import { Scroll } from "../table";
import { PotentialName } from "../verdict";
import { differenceOf, frequencyText, lowestOf, placeOf, sideOf, type Path } from "./bands";
import { rankOf, rankText, rankWord } from "./rank";

/** Columns of what is read off the bands here, with its place. */
const LOWEST = /^(path|mesh)_lowest_/;

interface Props {
  page: Page;
  cells: readonly number[];
  path: Path | null;
  chosen: string;
  pick: (name: string) => void;
}

export function Compared({ page, cells, path, chosen, pick }: Props) {
  const columns = useMemo(() => page.columns.filter((column) => column.main && column.chapter.toLowerCase() !== "cost" && !(path && LOWEST.test(column.name)) && cells.some((cell) => page.cells.values[column.name]?.[cell] != null)), [page, cells, path]);
  const low = path?.reference ? lowestOf(path.reference) : null;
  const ranked = columns.some((column) => cells.some((cell) => rankOf(page, column, cell)));
  const named = (cell: number): string => page.potentials[page.cells.potential[cell]!]!.name;
  return (
    <figure class="table">
      <Scroll label="All potentials on this material">
        <table class="numbers compared">
          <caption class="unseen">All potentials on this material</caption>
          <thead>
            <tr>
              <th scope="col">potential</th>
              {columns.map((column) => <th key={column.name} scope="col" class={column.kind === "number" ? "right" : undefined}>{column.label}</th>)}
              {path && <th scope="col" class="right">lowest mode on the path{low && ` (reference: ${frequencyText(low.frequency)}${low.frequency < -0.05 ? ` ${placeOf(path, low.at)}` : ""})`}</th>}
              {path?.reference && <th scope="col" class="right">band with the largest error: rms, THz</th>}
            </tr>
          </thead>
          <tbody>
            {cells.map((cell) => (
              <tr key={cell} class={page.cells.state[cell] === "ok" ? undefined : "not-ok"} aria-current={named(cell) === chosen ? "true" : undefined}>
                <th scope="row">
                  <button type="button" class="plain pick" onClick={() => pick(named(cell))} title="What it gets wrong, in words">
                    <PotentialName page={page} name={named(cell)} seen={page.cells.seen[cell] !== null} />
                  </button>
                </th>
                {columns.map((column) => <Value key={column.name} page={page} column={column} cell={cell} />)}
                {path && <FromBands path={path} potential={named(cell)} />}
              </tr>
            ))}
          </tbody>
        </table>
      </Scroll>
      {ranked && <p class="note">Shaded within each potential, not between rows: “worst 4 %”: 96 % of its other crystals are done better.</p>}
    </figure>
  );
}

function Value({ page, column, cell }: { page: Page; column: Column; cell: number }) {
  const value = page.cells.values[column.name]?.[cell];
  const rank = rankOf(page, column, cell);
  const state = page.cells.state[cell];
  const text = value == null && state !== "ok" ? state! : columnText(column, value);
  if (!rank) return <td class={column.kind === "number" ? "right" : undefined}>{text}</td>;
  const look = ramp(rank.worse);
  return (
    <td class="right" style={{ background: look.fill, color: look.text }} title={`${column.label}: ${rankText(rank)}`}>
      {text}
      <small>{rankWord(rank)}</small>
    </td>
  );
}

function FromBands({ path, potential }: { path: Path; potential: string }) {
  const spectrum = path.potentials.find((one) => one.potential === potential);
  const empty = <><td />{path.reference && <td />}</>;
  if (!spectrum) return empty;
  const low = lowestOf(spectrum);
  const difference = differenceOf(path, spectrum);
  return (
    <>
      <td class="right">{frequencyText(low.frequency)}{low.frequency < -0.05 && <small>{placeOf(path, low.at)}</small>}</td>
      {path.reference && (
        <td class="right">
          {difference && number(difference.rms, 2)}
          {difference && <small>band {difference.band} of {difference.n}, {sideOf(difference)}</small>}
        </td>
      )}
    </>
  );
}
