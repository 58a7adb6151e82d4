import { number, unitOf } from "../format";

/** A value under its label, in words: “RMSE(ω²), THz², path” and 27.8 → “RMSE(ω²) on the path: 27.8 THz²”. */
export function told(label: string, value: number | null, text = number(value)): string {
  const found = /^(.*), (path|mesh)$/.exec(label);
  const [name, unit] = unitOf(found ? found[1]! : label);
  return `${name}${found ? ` on the ${found[2]}` : ""}: ${text}${unit ? ` ${unit}` : ""}`;
}
