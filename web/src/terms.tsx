// Words and signs of the page that a reader may not know: explained once, and linked where they first stand.
import { hrefOf } from "./state";

const TERMS = {
  cell: "one material with one potential: a row of the table of cells",
  protocol: "all choices that determine a figure, in one name; a + after it: some of them are changed for this study",
  Φ: "force constants: how the force on one atom changes when another is moved a little, eV/Å²",
  "ω²": "squared frequency with the sign of the stiffness, negative for an imaginary mode, THz²",
  σ: "anharmonicity: root mean square of what the force constants leave of the forces, over that of the forces; 0 is harmonic",
  "κ": "Cohen’s: agreement on classes beyond chance; 1 is perfect, 0 is chance",
  "MMD²": "squared distance of two clouds of configurations in units of their spread; 0 where they are one",
} as const;

/** A word that leads to its explanation, which is also shown where it points. */
export function Term({ of, text }: { of: keyof typeof TERMS; text: string }) {
  return <a class="term" href={hrefOf({ route: { name: "method" } })} title={`${of}: ${TERMS[of]}`}>{text}</a>;
}

export function Terms() {
  return (
    <section aria-labelledby="terms">
      <h2 id="terms">Words and signs</h2>
      <ul class="prose">
        {Object.entries(TERMS).map(([term, means]) => <li key={term}><b>{term}</b>: {means}</li>)}
      </ul>
    </section>
  );
}
