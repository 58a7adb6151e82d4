// Which potential for what the filters leave: a sentence, and the numbers it is made from.
import { colourOf } from "./colour";
import { FEWEST, answer, answerAtOwn, excludesOne, type Comparisons, type Standing } from "./compare";
import type { Column } from "./contract";
import { Dot } from "./filters";
import { count, digitsOf, estimate, number, probability, unitOf } from "./format";
import { isFiltered, type Model } from "./model";
import { metrics } from "./select";
import { hrefOf, show } from "./state";
import { Scroll } from "./table";
import { Dagger, WithNames } from "./verdict";

export function Choice({ model }: { model: Model }) {
  const { page } = model;
  const found = model.comparisons.value;
  if (!found) return null;
  const [main, others] = [true, false].map((each) => metrics(page).filter(({ main }) => main === each)) as [Column[], Column[]];
  const option = (each: Column) => (
    <option key={each.name} value={each.name}>
      {each.better === "target" ? `${each.label}: distance from ${number(each.target)}` : each.label}
    </option>
  );
  return (
    <div class="choice">
      <div class="by">
        <label>
          {found.column.better === null ? "What they say:" : "Compared by"}{" "}
          <select value={found.column.name} onChange={(event) => show({ metric: event.currentTarget.value })}>
            {main.map(option)}
            {others.length > 0 && main.length > 0 ? <optgroup label="Others">{others.map(option)}</optgroup> : others.map(option)}
          </select>
        </label>
      </div>
      <div class="answer">
        {[...answer(page, found), ...answerAtOwn(page, model.cells.value, found)].map((each, i) => (
          <p key={i}>
            {i === 0 && isFiltered() && found.rows.length > 0 ? "Of what the filters leave: " : ""}
            <WithNames page={page} text={each} />
          </p>
        ))}
      </div>
      {found.rows.length > 0 && <Standings model={model} found={found} />}
    </div>
  );
}

function Standings({ model: { page }, found }: { model: Model; found: Comparisons }) {
  const { column, biasColumn, rows } = found;
  const [label, unit] = unitOf(column.label);
  const head = column.better === "target" ? `|${label} − ${number(column.target)}|` : label;
  const strip = stripOf(rows);
  const failed = rows.some((each) => each.failed > 0);
  const seen = rows.some((each) => each.seen);
  const n = found.nMaterials;
  const paired = n > 1 && rows.some((each) => each.paired);
  const tested = paired && n >= FEWEST;
  const median = n > 1 ? "median " : "";
  const sameN = rows.every((each) => each.n === rows[0]!.n); // the sentence says how many
  return (
    <>
    <Scroll label={`Potentials by ${label}`}>
      <table class="numbers">
        <caption class="unseen">Potentials by {label}{column.better !== null && ", the best first"}</caption>
        <thead>
          <tr>
            <th scope="col">Potential</th>
            {!sameN && <th scope="col" class="right">n</th>}
            {failed && <th scope="col" class="right">failed</th>}
            {seen && <th scope="col" class="right">seen in training</th>}
            <th scope="col" class="right">{median}{head}{unit && `, ${unit}`}</th>
            {strip && (
              <th scope="col" class="strip">
                <span class="unseen">drawn{unit && `, ${unit}`}: </span>
                <Axis strip={strip} />
              </th>
            )}
            {paired && (
              <>
                <th scope="col" class="right">ratio to the leader</th>
                <th scope="col" class="right">better / worse on</th>
                {tested && <th scope="col" class="right">p</th>}
              </>
            )}
            {biasColumn && <th scope="col" class="right">{median}{biasColumn.label}</th>}
          </tr>
        </thead>
        <tbody>
          {rows.map((each) => {
            const name = page.potentials[each.potential]!.name;
            const cells = hrefOf({ route: { name: "cells" }, potentials: [name], sort: { column: column.name, descending: column.better !== "high" } });
            return (
              <tr key={name}>
                <th scope="row">
                  <Dot colour={colourOf(page, name)} />
                  <a href={cells} title={`Its ${count(each.n + each.failed, "cell")}, the worst first`}>{name}</a>
                  {each.seen && <Dagger />}
                </th>
                {!sameN && <td class="right">{each.n}</td>}
                {failed && <td class="right">{each.failed}</td>}
                {seen && <td class="right">{each.seen?.n ?? 0}</td>}
                <td class="right">{estimate(each.median, digitsOf(column))}</td>
                {strip && (
                  <td class="strip">
                    <Whisker strip={strip} standing={each} colour={colourOf(page, name)} />
                  </td>
                )}
                {paired && (
                  <>
                    <td class="right">{each === rows[0] && n > 0 ? "leader" : estimate(each.paired?.ratio ?? null)}</td>
                    <td class="right">{each.paired ? `${each.paired.better} / ${each.paired.worse}` : ""}</td>
                    {tested && <td class="right">{each === rows[0] ? "" : probability(each.p)}</td>}
                  </>
                )}
                {biasColumn && <td class="right">{estimate(each.bias, digitsOf(biasColumn))}</td>}
              </tr>
            );
          })}
        </tbody>
      </table>
    </Scroll>
    <p class="note">
      {seen && "† has seen the phonons of some of these crystals in training. "}
      {n > 0 && n < found.nAny && `Of ${count(found.nAny, "material")} those ${n} that all have been measured on. `}
      {rows.some((each) => each.few) && "Potentials measured on less than half as many stand last and are not ranked. "}
      {n >= FEWEST && "Medians with exact intervals of 95 % (order statistics). "}
      {paired && "Ratio: of the errors on the same material to the leader’s, median; a failure counts as infinitely wrong. "}
      {tested && `p: of the sign test, after Holm for ${count(found.nTests, "test")}. `}
      {tested && rows.some((each) => each.p !== null && each.p >= 0.05 && each.paired && excludesOne(each.paired.ratio)) && "A ratio’s interval is of its pair alone: among so many pairs it may exclude 1 by chance. "}
      {column.better === "target" && "A distance has no sign; the last column says on which side."}
    </p>
    </>
  );
}

interface Strip {
  log: boolean;
  low: number;
  high: number;
  ticks: number[];
}

const WIDTH = 140;
const MARGIN = 10;

/** Axis of medians and intervals; none where there is nothing to be compared. */
function stripOf(rows: readonly Standing[]): Strip | null {
  const all = rows.flatMap(({ median: { value, low, high } }) => [value, low ?? value, high ?? value]).filter(Number.isFinite);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  if (rows.length < 2 || !(high > low)) return null;
  const log = low > 0;
  if (!log) return { log, low, high, ticks: [low, high] };
  const powers = Array.from({ length: 14 }, (_, i) => 10 ** (i - 6));
  const inside = (steps: number[]) => powers.flatMap((power) => steps.map((step) => step * power)).filter((tick) => tick >= low && tick <= high);
  const ticks = [inside([1]), inside([1, 2, 5])].find((each) => each.length >= 2) ?? [];
  return { log, low, high, ticks: ticks.length >= 2 && ticks.length <= 5 ? ticks : [low, high] };
}

function at({ log, low, high }: Strip, value: number): number {
  const scale = (each: number) => (log ? Math.log(each) : each);
  const share = (scale(Math.max(value, low)) - scale(low)) / (scale(high) - scale(low));
  return MARGIN + share * (WIDTH - 2 * MARGIN);
}

function Axis({ strip }: { strip: Strip }) {
  return (
    <svg width={WIDTH} height="16" viewBox={`0 0 ${WIDTH} 16`} aria-hidden="true">
      {strip.ticks.map((tick) => (
        <text key={tick} x={at(strip, tick)} y="12" text-anchor="middle">{number(tick, 2)}</text>
      ))}
    </svg>
  );
}

function Whisker({ strip, standing: { median }, colour }: { strip: Strip; standing: Standing; colour: string }) {
  if (!Number.isFinite(median.value)) return null;
  const ends = median.low === null || median.high === null ? null : [at(strip, median.low), at(strip, Math.min(median.high, strip.high))];
  return (
    <svg width={WIDTH} height="20" viewBox={`0 0 ${WIDTH} 20`} aria-hidden="true">
      {strip.ticks.map((tick) => (
        <line key={tick} class="grid" x1={at(strip, tick)} x2={at(strip, tick)} y1="0" y2="20" />
      ))}
      {ends && <line x1={ends[0]} x2={ends[1]} y1="10" y2="10" stroke={colour} stroke-width="2.5" />}
      <circle cx={at(strip, median.value)} cy="10" r="4.5" fill={colour} />
    </svg>
  );
}
