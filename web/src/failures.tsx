import { useState } from "preact/hooks";
import { colourOf } from "./colour";
import type { Failure, Page } from "./contract";
import { Dot } from "./filters";
import { count } from "./format";
import type { Model } from "./model";
import { printing } from "./print";
import { materialHref } from "./state";
import { MaterialLink } from "./verdict";

/** Cells that failed, by reason; those of the cells that the filters leave. */
export function Failures({ model }: { model: Model }) {
  const { page } = model;
  const left = new Set(model.cells.value.map((cell) => `${page.cells.material[cell]} ${page.cells.potential[cell]}`));
  const shown = page.failures.filter((each) => left.has(`${each.material} ${each.potential}`));
  const reasons = new Map<string, Failure[]>();
  for (const each of shown) {
    const key = `${each.kind}\n${each.reason}`;
    reasons.set(key, [...(reasons.get(key) ?? []), each]);
  }
  if (!shown.length)
    return <p>{page.failures.length ? `None of the ${count(page.failures.length, "failure")} is among what the filters leave.` : "Nothing failed."}</p>;
  return (
    <>
      <p>
        {count(shown.length, "cell")} failed, for {count(reasons.size, "reason")}. A failure counts as infinitely wrong where potentials are compared.
      </p>
      {[...reasons.values()].sort((a, b) => b.length - a.length).map((some) => (
        <Reason key={`${some[0]!.kind}${some[0]!.reason}`} page={page} failures={some} />
      ))}
    </>
  );
}

const MOST = 20;

function Reason({ page, failures }: { page: Page; failures: Failure[] }) {
  const [all, setAll] = useState(false);
  const shown = all || printing.value ? failures : failures.slice(0, MOST);
  return (
    <section class="reason">
      <h2>
        {count(failures.length, "cell")}: {failures[0]!.kind}
      </h2>
      <p class="caption">{failures[0]!.reason}</p>
      <ul class="materials">
        {shown.map((each) => {
          const potential = page.potentials[each.potential]?.name ?? "";
          return (
            <li key={`${each.material} ${each.potential}`}>
              <MaterialLink page={page} name={page.materials[each.material]?.name ?? ""} />{" "}
              <a class="with" href={materialHref(page.materials[each.material]?.name ?? "", potential)}><Dot colour={colourOf(page, potential)} />{potential}</a>
            </li>
          );
        })}
      </ul>
      {shown.length < failures.length && (
        <button type="button" onClick={() => setAll(true)}>Show all {failures.length}</button>
      )}
    </section>
  );
}
