// How it was made, with what, and under which licences.
import licences from "packed:licences";
import { useEffect, useState } from "preact/hooks";
import { colourOf } from "./colour";
import type { Page } from "./contract";
import { Dot } from "./filters";
import { NOTHING, count } from "./format";
import { unpack } from "./parts";
import { Scroll } from "./table";
import { Terms } from "./terms";
import { WithNames } from "./verdict";

export function Method({ page }: { page: Page }) {
  const references = new Map<string, number>();
  for (const { reference } of page.materials) references.set(reference, (references.get(reference) ?? 0) + 1);
  const lists = new Map(page.panels.flatMap((panel) => panel.lists.map((each) => [each.name, each.n] as const)));
  return (
    <>
      <Terms />
      <section>
        <h2>How it was made</h2>
        <ul class="prose">
          {page.method.map((each, i) => <li key={i}><WithNames page={page} text={each} /></li>)}
        </ul>
      </section>
      <section>
        <h2>Potentials</h2>
        <Scroll label="Potentials">
          <table class="numbers">
            <thead>
              <tr>
                <th scope="col">potential</th>
                <th scope="col">family</th>
                <th scope="col">functional</th>
                <th scope="col">trained on</th>
                <th scope="col">SHA-256 of what determines its results</th>
              </tr>
            </thead>
            <tbody>
              {page.potentials.map((each) => (
                <tr key={each.name}>
                  <th scope="row"><Dot colour={colourOf(page, each.name)} />{each.name}</th>
                  <td>{each.family || NOTHING}</td>
                  <td>{each.functional || "unknown"}</td>
                  <td>{each.training || "unknown"}</td>
                  <td><code title={each.digest}>{each.digest.slice(0, 12)}</code></td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </section>
      <section>
        <h2>References</h2>
        <ul class="prose">
          {[...references].map(([reference, n]) => <li key={reference}><WithNames page={page} text={reference || "unknown"} />: {count(n, "material")}</li>)}
        </ul>
      </section>
      {lists.size > 0 && (
        <section>
          <h2>Tables</h2>
          <p>Beside this page, as CSV:</p>
          <ul class="prose">
            {[...lists].map(([name, n]) => <li key={name}><a href={`tables/${encodeURIComponent(name)}.csv`}>tables/{name}.csv</a> ({count(n, "row")})</li>)}
          </ul>
        </section>
      )}
    </>
  );
}

/** Licences of what the page is made with; folded. */
export function Licences() {
  const [text, setText] = useState("");
  const [open, setOpen] = useState(false);
  useEffect(() => {
    if (open && !text) void unpack(licences).then(setText);
  }, [open]);
  return (
    <details class="licences" onToggle={(event) => setOpen(event.currentTarget.open)}>
      <summary>Licences of the packages this page is made with</summary>
      {open && <pre tabIndex={0} role="region" aria-label="Licences">{text}</pre>}
    </details>
  );
}
