// How a material's numbers are had again, and which records hold them.

import { useState } from "preact/hooks";
import type { Detail } from "../contract";
import { count } from "../format";
import { Scroll } from "../table";

export function Commands({ commands }: { commands: string[] }) {
  if (!commands.length) return null;
  return (
    <section aria-labelledby="commands">
      <h2 id="commands">To get it again</h2>
      {commands.some((each) => each.startsWith("softmode run ")) && (
        <p class="note">
          What follows <code>softmode run</code> is the folder of this study, which holds its settings (<code>study.json</code>): type the
          command where that folder lies. What it makes goes to the folder after <code>--output</code>.
        </p>
      )}
      {commands.map((command) => <Command key={command} command={command} />)}
    </section>
  );
}

function Command({ command }: { command: string }) {
  const [said, say] = useState("");
  const copy = async (): Promise<void> => {
    try {
      await navigator.clipboard.writeText(command);
      say("Copied");
    } catch {
      say("Not copied: the browser does not allow it"); // pages from disk may be refused the clipboard
    }
  };
  return (
    <div class="command">
      <pre tabIndex={0} aria-label="Command">{command}</pre>
      <button type="button" onClick={() => void copy()}>Copy</button>
      <span role="status" class="facts">{said}</span>
    </div>
  );
}

export function Records({ records }: { records: Detail["records"] }) {
  if (!records.length) return null;
  return (
    <section aria-labelledby="records">
      <h2 id="records">Records</h2>
      <details>
        <summary>{count(records.length, "record")} with their digests</summary>
        <Scroll label="Records">
          <table class="numbers">
            <thead><tr><th scope="col">potential</th><th scope="col">measurement</th><th scope="col">digest</th><th scope="col">file</th></tr></thead>
            <tbody>
              {records.map((one, n) => (
                <tr key={n}>
                  <th scope="row">{one.potential}</th>
                  <td>{one.measurement.replaceAll("_", " ")}</td>
                  <td><code>{one.digest}</code></td>
                  <td><code>{one.file}</code></td>
                </tr>
              ))}
            </tbody>
          </table>
        </Scroll>
      </details>
    </section>
  );
}
