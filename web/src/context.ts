// What a chart is given beside its own numbers.
import type { Page } from "./contract";
import { DAGGER } from "./seen";
import type { View } from "./state";

export interface ChartContext {
  page: Page;
  /** Places of the cells that the filters leave. */
  cells: readonly number[];
  /** Names of potentials that have seen in training what the chart is of. */
  seen?: ReadonlySet<string>;
  /** Pixels there are. */
  width: number;
  /** Address of a material's page, where it tells of a potential first. */
  materialHref: (name: string, potential?: string) => string;
  /** Address of the view on show with some things changed: a field of a matrix leads to its cells with it. */
  viewHref: (change: Partial<View>) => string;
}

/** A potential's name with its mark. */
export const marked = (context: ChartContext, name: string): string => (context.seen?.has(name) ? name + DAGGER : name);
