// What the numbers say, in words, before anything else.
import type { ComponentChildren } from "preact";
import { useMemo } from "preact/hooks";
import { colourOf, groupsOf } from "./colour";
import type { Page, Statement } from "./contract";
import { Dot } from "./filters";
import { count, typeset } from "./format";
import { chapterOf, type Model } from "./model";
import { printing } from "./print";
import { DAGGER, namesOfSeen } from "./seen";
import { hrefOf, materialHref, view, type Route } from "./state";

const TOPICS: Record<string, string> = {
  lead: "Who leads",
  bias: "On which side",
  stability: "Stability",
  anharmonicity: "Anharmonicity",
  dynamics: "Dynamics",
  failures: "Where it fails",
  base_rate: "Base rate",
  reference: "Reference",
  functional: "Functional",
  sample: "What n allows",
};

export function Verdict({ model, title = "Verdict" }: { model: Model; title?: string }) {
  const { page } = model;
  const topics = [...new Set(page.verdict.map((each) => each.topic))];
  if (!topics.length) return null;
  return (
    <section class="verdict" aria-labelledby="verdict">
      <h2 id="verdict">{title}</h2>
      <dl>
        {topics.map((topic) => (
          <div key={topic} class={`topic-${/^\w+$/.test(topic) ? topic : "other"}`}>
            <dt>{page.kind === "comparison" && topic === "lead" ? "What changed" : (TOPICS[topic] ?? topic.replace(/_/g, " "))}</dt>
            <dd>
              <Topic page={page} statements={page.verdict.filter((each) => each.topic === topic)} />
            </dd>
          </div>
        ))}
      </dl>
    </section>
  );
}

/** What the verdict says of the groups that are chosen, by themselves. */
export function OfGroups({ page }: { page: Page }) {
  const said = page.verdict.filter((each) => each.group !== null && view.value.groups.includes(each.group));
  if (!said.length) return null;
  return (
    <div class="verdict">
      <h3>The verdict on {said.every((each) => each.group === said[0]!.group) ? nameOf(page, said[0]!.group!) : "these groups"} as a whole</h3>
      {said.map((each, i) => <Said key={i} page={page} statement={each} />)}
    </div>
  );
}

/** Statements of all materials, and of the groups that are chosen beside them; the other groups' are folded. */
function Topic({ page, statements }: { page: Page; statements: Statement[] }) {
  const chosen = view.value.groups;
  const shown = statements.filter((each) => each.group === null || chosen.includes(each.group));
  const folded = statements.filter((each) => !shown.includes(each));
  return (
    <>
      {shown.map((each, i) => (
        <Said key={i} page={page} statement={each} leads={i === 0 && each.topic === "lead" && each.group === null} />
      ))}
      {folded.length > 0 && (
        <details open={printing.value || undefined}>
          <summary>{shown.length ? "By group" : "Of groups"}: {[...new Set(folded.map((each) => nameOf(page, each.group!)))].join(", ")}</summary>
          {folded.map((each, i) => (
            <Said key={i} page={page} statement={each} />
          ))}
        </details>
      )}
    </>
  );
}

/** A sentence, or its part before a semicolon as one, and what follows. */
function firstSentence(text: string): [string, string] {
  const found = /^(.*?)[.;] (.)(.*)$/s.exec(text);
  return found ? [`${found[1]}.`, found[2]!.toUpperCase() + found[3]!] : [text, ""];
}

const nameOf = (page: Page, group: string) => groupsOf(page).get(group) ?? group;

/** Topics that rank potentials: those that have seen the crystals are marked there. */
const RANKING = new Set(["lead", "stability", "bias"]);

function cellsOfGroup(page: Page, group: string | null): number[] {
  const all = page.cells.material.map((_, cell) => cell);
  return group === null ? all : all.filter((cell) => page.materials[page.cells.material[cell]!]!.group === group);
}

/** `leads`: its first sentence is the headline of the page. */
function Said({ page, statement, leads }: { page: Page; statement: Statement; leads?: boolean }) {
  const panel = page.panels.find((each) => each.key === statement.panel);
  const { materials, group } = statement;
  const marked = useMemo(() => (RANKING.has(statement.topic) ? namesOfSeen(page, cellsOfGroup(page, group)) : undefined), [page, statement]);
  const [headline, rest] = leads ? firstSentence(statement.text) : ["", statement.text];
  const to: Route | null = panel
    ? { name: "chapter", chapter: chapterOf(panel), panel: panel.key }
    : statement.topic === "failures" && page.failures.length
      ? { name: "failures" }
      : null;
  return (
    <div class={group === null ? "said" : "said of-group"}>
      <p>
        {headline && (
          <span class="headline">
            <WithNames page={page} text={headline} materials={materials} marked={marked} />
          </span>
        )}
        <WithNames page={page} text={rest} materials={materials} marked={marked} />
        {to && (
          <>
            {" "}
            <a class="more" href={hrefOf({ route: to, ...(group === null ? {} : { groups: [group] }) })}>
              Figures<span class="unseen">: {panel?.title ?? "failures"}</span>
            </a>
          </>
        )}
      </p>
      {!materials.every((each) => statement.text.includes(each)) && (
        <details class="of-materials">
          <summary>{count(materials.length, "material")}</summary>
          <ul class="materials">
            {materials.map((name) => (
              <li key={name}>
                <MaterialLink page={page} name={name} />
              </li>
            ))}
          </ul>
          <a href={hrefOf({ route: { name: "cells" }, only: materials })}>{materials.length === 1 ? "Its cells" : "Their cells"}</a>
        </details>
      )}
    </div>
  );
}

export function MaterialLink({ page, name, potential }: { page: Page; name: string; potential?: string }) {
  const material = page.materials.find((each) => each.name === name);
  if (!material) return <>{name}</>;
  return (
    <a href={materialHref(name, potential)}>
      <Formula text={material.formula} />
      {material.formula !== name && <span class="name"> {name}</span>}
    </a>
  );
}

/** A formula with subscripts; a text that is none stays as it is. */
export function Formula({ text }: { text: string }) {
  if (!/^[A-Za-z0-9()[\].]+$/.test(text)) return <>{text}</>;
  return <>{text.split(/(?<=[A-Za-z)\]])(\d+(?:\.\d+)?)/).map((part, i) => (i % 2 ? <sub key={i}>{part}</sub> : part))}</>;
}

/** Of what a dagger tells. */
export const seenHere = () => (view.value.route.name === "material" ? "this crystal" : "some of these crystals");

/** The mark of potentials that have seen in training what they are compared on. */
export function Dagger() {
  return (
    <span title={`has seen the phonons of ${seenHere()} in training`}>
      <span aria-hidden="true">†</span>
      <span class="unseen"> (has seen {seenHere()} in training)</span>
    </span>
  );
}

/** A potential's name with its colour, which no line break parts from it; `seen`: marked. */
export function PotentialName({ page, name, seen }: { page: Page; name: string; seen?: boolean }) {
  const first = /^[^-\s]+-?/.exec(name)?.[0] ?? "";
  return (
    <b class="potential">
      <span class="whole">
        <Dot colour={colourOf(page, name)} />
        {first}
      </span>
      {name.slice(first.length)}
      {seen && <Dagger />}
    </b>
  );
}

interface Named {
  page: Page;
  text: string;
  materials?: readonly string[];
  /** Potentials that have a dagger, unless the text has one already. */
  marked?: ReadonlySet<string>;
}

/** A text whose potentials carry their colour, and whose materials and addresses lead somewhere. */
export function WithNames({ page, text, materials = [], marked }: Named) {
  const parts: ComponentChildren[] = [];
  const potentials = new Set(page.potentials.map((each) => each.name));
  const names = [...potentials, ...materials].filter(Boolean).sort((a, b) => b.length - a.length);
  let plain = "";
  for (let i = 0; i < text.length; ) {
    const code = text[i] === "`" ? /^`([^`]+)`/.exec(text.slice(i)) : null;
    if (code) {
      parts.push(typeset(plain), <code>{code[1]}</code>);
      plain = "";
      i += code[0].length;
      continue;
    }
    const address = text.startsWith("http", i) ? /^https?:\/\/[^\s)]+[^\s).,;]/.exec(text.slice(i)) : null;
    if (address) {
      parts.push(typeset(plain), <a href={address[0]}>{address[0].replace(/^https?:\/\//, "")}</a>);
      plain = "";
      i += address[0].length;
      continue;
    }
    const name = names.find((each) => text.startsWith(each, i) && !within(text, i, each.length));
    if (!name) {
      plain += text[i++];
      continue;
    }
    parts.push(typeset(plain), potentials.has(name) ? <a class="to-cells" href={hrefOf({ route: { name: "cells" }, potentials: [name] })} title="Its cells"><PotentialName page={page} name={name} seen={marked?.has(name) && text[i + name.length] !== DAGGER} /></a> : <a href={materialHref(name)}>{name}</a>);
    plain = "";
    i += name.length;
  }
  return <>{[...parts, typeset(plain)]}</>;
}

/** Whether a piece of a text is a part of a longer word. */
function within(text: string, start: number, length: number): boolean {
  const word = /[\w-]/;
  return word.test(text[start - 1] ?? " ") || word.test(text[start + length] ?? " ");
}
