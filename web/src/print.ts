// Printing shows what is on show, light, and without controls; the whole report has an address of its own.
import { signal } from "@preact/signals";
import { options } from "preact";

export const printing = signal(false);

/** Width of a sheet of A4 within its margins, in pixels of CSS, for charts that print.css makes smaller. */
export const PRINT_WIDTH = Math.floor(690 / 0.78);

/** Browsers print what stands there when `beforeprint` ends: what changes must be drawn by then. */
export function followPrinting(): void {
  const at_once = (value: boolean) => {
    const before = options.debounceRendering;
    options.debounceRendering = (draw) => draw();
    try {
      printing.value = value;
    } finally {
      options.debounceRendering = before;
    }
  };
  window.addEventListener("beforeprint", () => at_once(true));
  window.addEventListener("afterprint", () => at_once(false));
}
