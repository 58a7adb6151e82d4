// Widths of texts, so that margins have room for them and labels break into lines instead of being cut.

let pen: CanvasRenderingContext2D | null | undefined;
export const FONT = 'system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif';

/** Width in pixels; estimated where there is no canvas. */
export function textWidth(text: string, size = 12, bold = false): number {
  if (pen === undefined) pen = document.createElement("canvas").getContext?.("2d") ?? null;
  if (!pen) return text.length * size * (bold ? 0.62 : 0.56);
  pen.font = `${bold ? "600 " : ""}${size}px ${FONT}`;
  return pen.measureText(text).width;
}

/** Lines of a text that fit into `width`; they break at spaces, else after hyphens, else within words. */
export function wrap(text: string, width: number, size = 12, bold = false): string[] {
  const fits = (part: string): boolean => textWidth(part.trimEnd(), size, bold) <= width;
  const lines: string[] = [];
  let line = "";
  for (const word of text.match(/\S+\s*/g) ?? []) {
    if (fits(line + word)) {
      line += word;
      continue;
    }
    if (line) lines.push(line.trimEnd());
    line = "";
    for (const part of fits(word) ? [word] : word.split(/(?<=[-/_])/)) {
      if (fits(line + part)) {
        line += part;
        continue;
      }
      if (line) lines.push(line);
      line = part;
      while (line.length > 1 && !fits(line)) {
        let n = line.length - 1;
        while (n > 1 && !fits(line.slice(0, n))) n--;
        lines.push(line.slice(0, n));
        line = line.slice(n);
      }
    }
  }
  if (line) lines.push(line.trimEnd());
  return lines.length ? lines : [""];
}
