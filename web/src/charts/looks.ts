// Colours of everything on a chart that is no potential: ink, greys, one ramp. Values stand in style/tokens.css.

export const INK = "var(--ink)";
export const QUIET = "var(--quiet)";
export const RULE = "var(--rule)";
export const PAPER = "var(--page)";

/** Steps of the sequential ramp, from little to much. */
export const N_STEPS = 9;

/** Colour for `share` of the ramp, 0 to 1, and a text's colour that can be read on it. */
export function ramp(share: number): { fill: string; text: string; step: number } {
  const step = Math.max(0, Math.min(N_STEPS - 1, Math.round(share * (N_STEPS - 1))));
  return { fill: `var(--ramp-${step})`, text: step > 4 ? PAPER : INK, step };
}

/** The other side of a scale with a middle: greys. */
export function greys(share: number): { fill: string; text: string } {
  const step = Math.max(0, Math.min(N_STEPS - 1, Math.round(share * (N_STEPS - 1))));
  return { fill: `var(--grey-${step})`, text: step > 4 ? PAPER : INK };
}
