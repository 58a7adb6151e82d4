// Elements to filter by, on a periodic table coloured by the median error of the materials that have them.
import { useMemo, useRef, useState } from "preact/hooks";
import { number, unitOf, count } from "./format";
import type { Model } from "./model";
import { ELEMENTS, type Element } from "./periodic";
import { errorsOf, selectCells } from "./select";
import { show, view } from "./state";
import { medianByOrder } from "./statistics";

export const N_SHADES = 7;

interface Figure {
  n: number;
  median: number;
}

export function Elements({ model }: { model: Model }) {
  const { page } = model;
  const metric = model.metric.value;
  const { elements, anyElement, ...rest } = view.value;
  const cells = selectCells(page, view.value, anyElement ? ["elements"] : []);
  const figures = useMemo(() => figuresOf(model, cells), [model, metric, JSON.stringify([cells.length, rest, elements, anyElement])]);
  const shades = useMemo(() => shadesOf(figures), [figures]);
  const grid = useRef<HTMLDivElement>(null);
  const [at, setAt] = useState("");
  const known = new Set(page.materials.flatMap((each) => each.elements));
  const enabled = ELEMENTS.filter((each) => known.has(each.symbol));
  const current = enabled.some((each) => each.symbol === at) ? at : (enabled[0]?.symbol ?? "");
  const [label, unit] = metric ? unitOf(metric.label) : ["", ""];

  const toggle = (symbol: string) =>
    show({ elements: elements.includes(symbol) ? elements.filter((each) => each !== symbol) : [...elements, symbol] });
  const move = (event: KeyboardEvent) => {
    const next = neighbour(enabled, current, event.key);
    if (!next) return;
    event.preventDefault();
    setAt(next);
    grid.current?.querySelector<HTMLButtonElement>(`[data-element="${next}"]`)?.focus();
  };
  return (
    <div class="elements">
      <div class="periodic" role="toolbar" aria-label="Elements of the materials; arrow keys move" ref={grid} onKeyDown={move}>
        {ELEMENTS.filter((each) => each.row < 8 || enabled.some((other) => other.row > 7)).map((each) => {
          const figure = figures.get(each.symbol);
          const shade = figure && Number.isFinite(figure.median) ? shades.of(figure.median) : null;
          const about = !known.has(each.symbol)
            ? "in no material"
            : !figure
              ? "in none of those left"
              : count(figure.n, "material") + (shade === null ? "" : `, median ${label} ${number(figure.median)} ${unit}`.trimEnd());
          return (
            <button
              key={each.symbol}
              type="button"
              class={`element ${figure ? "" : "empty"} ${shade === null ? "" : `shade-${shade}`}`}
              style={{ gridRow: each.row < 8 ? each.row : each.row + 1, gridColumn: each.column }}
              data-element={each.symbol}
              disabled={!known.has(each.symbol)}
              aria-pressed={elements.includes(each.symbol)}
              aria-label={`${each.symbol}, ${each.name}: ${about}`}
              title={`${each.name}: ${about}`}
              tabIndex={each.symbol === current ? 0 : -1}
              onClick={() => (setAt(each.symbol), toggle(each.symbol))}
            >
              {each.symbol}
            </button>
          );
        })}
      </div>
      <div class="legend">
        {metric && shades.edges.length > 1 && (
          <div class="scale">
            <span>
              Median {label}
              {unit && `, ${unit}`}, of all that have the element:
            </span>
            <span class="steps" aria-hidden="true">
              {shades.edges.slice(0, -1).map((edge, i) => (
                <span key={i}>
                  <i class={`shade-${i}`} />
                  {number(edge, 2)}
                </span>
              ))}
              <span>
                <i />
                {number(shades.edges.at(-1), 2)}
              </span>
            </span>
          </div>
        )}
        {elements.length > 1 && (
          <label class="check">
            <input type="checkbox" checked={anyElement} onChange={(event) => show({ anyElement: event.currentTarget.checked })} />
            any of the elements chosen is enough
          </label>
        )}
      </div>
    </div>
  );
}

function figuresOf({ page, metric }: Model, cells: readonly number[]): Map<string, Figure> {
  const errors = metric.peek() ? errorsOf(page, metric.peek()!) : null;
  const values = new Map<string, number[]>();
  const materials = new Map<string, Set<number>>();
  for (const cell of cells) {
    const material = page.cells.material[cell]!;
    for (const element of page.materials[material]!.elements) {
      if (!materials.has(element)) materials.set(element, new Set()), values.set(element, []);
      materials.get(element)!.add(material);
      if (errors && Number.isFinite(errors[cell]!)) values.get(element)!.push(errors[cell]!);
    }
  }
  return new Map([...materials].map(([element, some]) => [element, { n: some.size, median: medianByOrder(values.get(element)!).value }]));
}

/** Steps of the ramp, equally wide in the logarithm where all are positive. */
function shadesOf(figures: Map<string, Figure>) {
  const all = [...figures.values()].map((each) => each.median).filter(Number.isFinite);
  const [low, high] = [Math.min(...all), Math.max(...all)];
  if (!all.length || low === high) return { edges: [], of: () => 0 };
  const log = low > 0;
  const scale = (value: number) => (log ? Math.log(value) : value);
  const back = (value: number) => (log ? Math.exp(value) : value);
  const step = (scale(high) - scale(low)) / N_SHADES;
  return {
    edges: Array.from({ length: N_SHADES + 1 }, (_, i) => back(scale(low) + i * step)),
    of: (value: number) => Math.min(N_SHADES - 1, Math.max(0, Math.floor((scale(value) - scale(low)) / step))),
  };
}

const KEYS: Record<string, [number, number]> = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/** The nearest element in the direction of a key. */
function neighbour(enabled: readonly Element[], from: string, key: string): string | null {
  if (key === "Home") return enabled[0]?.symbol ?? null;
  if (key === "End") return enabled.at(-1)?.symbol ?? null;
  const [down, right] = KEYS[key] ?? [0, 0];
  const here = enabled.find((each) => each.symbol === from);
  if (!here || (!down && !right)) return null;
  const distance = (each: Element) => {
    const [rows, columns] = [each.row - here.row, each.column - here.column];
    const along = rows * down + columns * right;
    return along > 0 ? along + 3 * Math.abs(down ? columns : rows) : Infinity;
  };
  const nearest = enabled.reduce((best, each) => (distance(each) < distance(best) ? each : best), here);
  return nearest === here || distance(nearest) === Infinity ? null : nearest.symbol;
}
