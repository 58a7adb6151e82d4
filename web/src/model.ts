// The document with what follows from the view: computed once for each selection, however many show it.
import { computed, type ReadonlySignal } from "@preact/signals";
import { compare, otherTests, type Comparisons } from "./compare";
import type { Column, Page, Panel } from "./contract";
import { metricOf, nMaterials, selectCells } from "./select";
import { view } from "./state";

export interface Model {
  page: Page;
  /** Places of the cells that the filters leave. */
  cells: ReadonlySignal<readonly number[]>;
  /** How many materials they are of. */
  nMaterials: ReadonlySignal<number>;
  /** What potentials are compared by; null where a page has no such column. */
  metric: ReadonlySignal<Column | null>;
  comparisons: ReadonlySignal<Comparisons | null>;
  /** Chapters in the order of the page. */
  chapters: string[];
}

export function modelOf(page: Page): Model {
  const filters = computed(() => {
    const { elements, anyElement, groups, potentials, classes, seen, text, only } = view.value;
    return JSON.stringify([elements, anyElement, groups, potentials, classes, seen, text, only]);
  });
  const cells = computed<readonly number[]>(() => {
    void filters.value; // not of the rest of the view
    return selectCells(page, view.peek());
  });
  const metric = computed(() => metricOf(page, view.value.metric));
  return {
    page,
    cells,
    metric,
    nMaterials: computed(() => nMaterials(page, cells.value)),
    comparisons: computed(() => metric.value && compare(page, cells.value, metric.value, isFiltered() ? [] : otherTests(page, metric.value))),
    chapters: [...new Set(page.panels.map(chapterOf))],
  };
}

/** Heading of the part of the page that a panel stands in. */
export const chapterOf = (panel: Panel) => panel.chapter || "Further";

export const panelsOf = (page: Page, chapter: string) => page.panels.filter((each) => chapterOf(each) === chapter);

/** Whether any filter is on. */
export function isFiltered(): boolean {
  const { elements, groups, potentials, classes, seen, text, only } = view.value;
  return [elements, groups, potentials, Object.keys(classes), only].some((each) => each.length > 0) || seen !== "all" || text !== "";
}

export const NO_FILTERS = { elements: [], anyElement: false, groups: [], potentials: [], classes: {}, seen: "all", text: "", only: [] } as const;
