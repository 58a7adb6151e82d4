// The crystal that turns, and what can be read of it without seeing it.

import { useEffect, useRef } from "preact/hooks";
import { printing } from "../print";
import type { Structure } from "../contract";
import { count } from "../format";
import { composition, latticeConstants } from "./geometry";
import { StructureView } from "./structure_view";

/** Positions of more atoms than these are not printed unasked: they fill a page. */
const FEW = 16;

export function Crystal({ structure }: { structure: Structure }) {
  const stage = useRef<HTMLDivElement>(null);
  useEffect(() => {
    const made = new StructureView(Math.min(stage.current!.clientWidth, 460), Math.min(stage.current!.clientWidth, 380), "Unit cell");
    stage.current!.replaceChildren(made.element);
    made.show(structure);
    return () => made.dispose();
  }, [structure]);
  const { lengths, angles, volume } = latticeConstants(structure.lattice);
  const atoms = composition(structure.symbols);
  return (
    <section aria-labelledby="structure">
      <h2 id="structure">Structure</h2>
      <div class="mode">
        <div ref={stage} class="mode-stage" />
        <div>
          <dl class="constants">
            <div><dt>a, b, c</dt><dd>{lengths.map((one) => one.toFixed(3)).join(", ")} Å</dd></div>
            <div><dt>α, β, γ</dt><dd>{angles.map((one) => one.toFixed(2)).join(", ")}°</dd></div>
            <div><dt>Volume</dt><dd>{volume.toFixed(2)} Å³, {(volume / structure.symbols.length).toFixed(2)} Å³ an atom</dd></div>
            <div><dt>Atoms</dt><dd>{count(structure.symbols.length, "atom")} in the cell: {atoms.map(({ symbol, n }) => `${n} ${symbol}`).join(", ")}</dd></div>
          </dl>
          <details open={printing.value && structure.positions.length <= FEW}>
            <summary>Positions (fractional)</summary>
            <table class="numbers">
              <thead><tr><th scope="col">atom</th><th scope="col" class="right">x</th><th scope="col" class="right">y</th><th scope="col" class="right">z</th></tr></thead>
              <tbody>
                {structure.positions.map((position, n) => (
                  <tr key={n}>
                    <th scope="row">{structure.symbols[n]}</th>
                    {position.map((value, k) => <td key={k} class="right">{value.toFixed(5).replace("-", "−")}</td>)}
                  </tr>
                ))}
              </tbody>
            </table>
          </details>
        </div>
      </div>
    </section>
  );
}
