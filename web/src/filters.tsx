// Filters that combine; each says how many materials it would leave.
import type { ComponentChildren } from "preact";
import { useState } from "preact/hooks";
import { colourOf, groupsOf } from "./colour";
import { Elements } from "./elements";
import type { Page } from "./contract";
import { count, listed, valueText, whole } from "./format";
import { NO_FILTERS, isFiltered, type Model } from "./model";
import { classColumns, classText, countCells, countMaterials, nMaterials, selectCells, type Filter } from "./select";
import { show, view, type Seen, type View } from "./state";
import { MaterialLink } from "./verdict";

const SEEN: Record<Seen, string> = { all: "all", unseen: "seen by none of them", seen: "seen by some of them" };

export function Filters({ model }: { model: Model }) {
  const { page } = model;
  const now = view.value;
  const classes = classColumns(page);
  const [more, setMore] = useState(Object.keys(now.classes).length > 0);
  const left = (filter: Filter, keys: (cell: number) => readonly string[]) =>
    countMaterials(page, selectCells(page, now, [filter]), keys);
  const seen = (value: Seen) => nMaterials(page, selectCells(page, { ...now, seen: value }));
  const seenSome = page.cells.seen.some((each) => each !== null);
  return (
    <form class="filters" aria-label="Filters" onSubmit={(event) => event.preventDefault()}>
      {page.materials.length > 1 && (
        <fieldset class="wide">
          <legend>Elements</legend>
          <Elements model={model} />
        </fieldset>
      )}
      {groupsOf(page).size > 1 && (
        <Choices
          legend="Group"
          options={[...groupsOf(page)]}
          chosen={now.groups}
          counts={left("groups", (cell) => [page.materials[page.cells.material[cell]!]!.group])}
          onChange={(groups) => show({ groups })}
          help={otherHelp(page)}
        />
      )}
      {page.potentials.length > 1 && (
        <Choices
          legend="Potential"
          options={page.potentials.map((each) => [each.name, each.name])}
          chosen={now.potentials}
          counts={left("potentials", (cell) => [page.potentials[page.cells.potential[cell]!]!.name])}
          onChange={(potentials) => show({ potentials })}
          before={(name) => <Dot colour={colourOf(page, name)} />}
        />
      )}
      {seenSome && (
        <fieldset>
          <legend>Phonons of the crystal in training of the potentials on show</legend>
          <div class="chips" aria-describedby="seen-help">
            {Object.entries(SEEN).map(([value, text]) => (
              <label key={value} class="chip">
                <input type="radio" name="seen" checked={now.seen === value} onChange={() => show({ seen: value as Seen })} />
                {text}
                <span class="number">
                  <Materials n={seen(value as Seen)} />
                </span>
              </label>
            ))}
          </div>
          <p class="note help" id="seen-help">
            Crystals are left or taken away for all potentials at once, so that all are compared on the same ones.
          </p>
        </fieldset>
      )}
      {classes.length > 0 && (
        <details class="wide" open={more} onToggle={(event) => setMore(event.currentTarget.open)}>
          <summary>By class: {classes.map(({ column }) => column.label).join(" · ")}</summary>
          {more &&
            classes.map(({ column, values }) => (
              <Choices
                key={column.name}
                legend={column.label}
                options={values.map((each) => [each, column.kind === "flag" ? valueText(each === "true") : each])}
                chosen={now.classes[column.name] ?? []}
                counts={countCells(selectCells(page, now, ["classes"]), (cell) => classText(page.cells.values[column.name]![cell]!))}
                of="cell"
                onChange={(chosen) => show({ classes: withClass(now, column.name, chosen) })}
              />
            ))}
        </details>
      )}
    </form>
  );
}

export function Dot({ colour }: { colour: string }) {
  return <span class="dot" style={{ background: colour }} aria-hidden="true" />;
}

export function withClass(now: View, column: string, chosen: string[]): Record<string, string[]> {
  const { [column]: _, ...rest } = now.classes;
  return chosen.length ? { ...rest, [column]: chosen } : rest;
}

interface ChoicesProps {
  legend: string;
  options: readonly (readonly [string, string])[];
  chosen: readonly string[];
  counts: Map<string, number>;
  onChange: (chosen: string[]) => void;
  before?: (value: string) => ComponentChildren;
  help?: string;
  /** What is counted, where that is not materials. */
  of?: string;
}

/** What stands apart from the halides, which are those of crystals whose prototype is known. */
function otherHelp(page: Page): string {
  const formulas = [...new Set(page.materials.filter((each) => each.group === "other").map((each) => each.formula))];
  return formulas.length ? `Halides of the known prototypes; ${listed(formulas, 3)} are of others. Elements choose from all.` : "";
}

function Choices({ legend, options, chosen, counts, onChange, before, help, of }: ChoicesProps) {
  return (
    <fieldset>
      <legend>{legend}{of && `, ${of}s`}</legend>
      <div class="chips">
        {options.map(([value, text]) => (
          <label key={value} class={`chip ${counts.get(value) ? "" : "none"}`}>
            <input
              type="checkbox"
              checked={chosen.includes(value)}
              onChange={() => onChange(chosen.includes(value) ? chosen.filter((each) => each !== value) : [...chosen, value])}
            />
            {before?.(value)}
            {text}
            <span class="number">
              <Materials n={counts.get(value) ?? 0} of={of} />
            </span>
          </label>
        ))}
      </div>
      {help && <p class="note help">{help}</p>}
    </fieldset>
  );
}

/** A number; that it is of materials is only read out. */
function Materials({ n, of = "material" }: { n: number; of?: string | undefined }) {
  return (
    <>
      {whole(n)}
      <span class="unseen"> {n === 1 ? of : `${of}s`}</span>
    </>
  );
}

/** What is left, and what leaves it: above every view. */
export function Selection({ model, children }: { model: Model; children?: ComponentChildren }) {
  const { page } = model;
  const now = view.value;
  return (
    <div class="selection">
      <label class="search">
        <span class="unseen">Search names of materials and potentials</span>
        <input
          type="search"
          placeholder="Search materials, potentials"
          value={now.text}
          onInput={(event) => show({ text: event.currentTarget.value }, true)}
        />
      </label>
      {children}
      <p class="left" role="status" aria-live="polite">
        {whole(model.nMaterials.value)} of {count(page.materials.length, "material")}, {whole(model.cells.value.length)} of{" "}
        {count(page.cells.material.length, "cell")}
        {now.seen !== "all" && `; phonons seen in training by ${now.seen === "seen" ? "some" : "none"} of the ${count(now.potentials.length || page.potentials.length, "potential")}`}
      </p>
      {isFiltered() && (
        <div class="on">
          <ul class="chips" aria-label="Filters that are on">
            {activeFilters(model).map(({ key, text, without }) => (
              <li key={key}>
                <button type="button" class="chip remove" onClick={() => show(without)}>
                  <span class="unseen">Remove the filter </span>
                  {text}
                  <span class="cross" aria-hidden="true">×</span>
                </button>
              </li>
            ))}
          </ul>
          <button type="button" class="plain" onClick={() => show({ ...NO_FILTERS, elements: [], groups: [], potentials: [], only: [] })}>
            Reset
          </button>
        </div>
      )}
      <Few model={model} />
    </div>
  );
}

/** So few materials that they can be gone to from here. */
const FEW = 16;

function Few({ model }: { model: Model }) {
  const names = [...new Set(model.cells.value.map((cell) => model.page.materials[model.page.cells.material[cell]!]!.name))];
  if (!isFiltered() || !names.length || names.length > FEW) return null;
  return (
    <ul class="materials few" aria-label="Materials that are left">
      {names.map((name) => (
        <li key={name}><MaterialLink page={model.page} name={name} /></li>
      ))}
    </ul>
  );
}

function activeFilters({ page }: Model): { key: string; text: string; without: Partial<View> }[] {
  const now = view.value;
  const others = (all: readonly string[], one: string) => all.filter((each) => each !== one);
  const groups = groupsOf(page);
  const label = (name: string) => page.columns.find((each) => each.name === name)?.label ?? name;
  return [
    ...now.elements.map((each) => ({ key: `e${each}`, text: each, without: { elements: others(now.elements, each) } })),
    ...now.groups.map((each) => ({ key: `g${each}`, text: groups.get(each) ?? each, without: { groups: others(now.groups, each) } })),
    ...now.potentials.map((each) => ({ key: `p${each}`, text: each, without: { potentials: others(now.potentials, each) } })),
    ...Object.entries(now.classes).map(([name, values]) => ({
      key: `c${name}`,
      text: `${label(name)}: ${values.join(" or ")}`,
      without: { classes: withClass(now, name, []) },
    })),
    ...(now.seen === "all" ? [] : [{ key: "seen", text: `in training: ${SEEN[now.seen]}`, without: { seen: "all" as const } }]),
    ...(now.only.length ? [{ key: "only", text: count(now.only.length, "material chosen", "materials chosen"), without: { only: [] } }] : []),
    ...(now.text ? [{ key: "text", text: `“${now.text}”`, without: { text: "" } }] : []),
  ];
}
