// Formulas by what they are of: KRb2RhF6 is Rb2KRhF6.

/** Elements with their numbers in order, “F6K1Rb2Rh1”; empty where a text is no formula of two elements or more. */
export function compositionOf(text: string): string {
  if (!/^(?:[A-Z][a-z]?\d*)+$/.test(text)) return "";
  const counts = new Map<string, number>();
  for (const [, element, n] of text.matchAll(/([A-Z][a-z]?)(\d*)/g)) counts.set(element!, (counts.get(element!) ?? 0) + Number(n || 1));
  return counts.size < 2 ? "" : [...counts].sort(([a], [b]) => (a < b ? -1 : 1)).map(([element, n]) => element + n).join("");
}
