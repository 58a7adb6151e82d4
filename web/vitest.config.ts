import { defineConfig } from "vitest/config";
import type { Plugin } from "vite";

/** What build.mjs packs is of no matter to tests. */
const packed: Plugin = {
  name: "packed",
  resolveId: (name) => (name.startsWith("packed:") ? `\0${name}` : null),
  load: (name) => (name.startsWith("\0packed:") ? 'export default ""' : null),
};

export default defineConfig({
  plugins: [packed],
  oxc: { jsx: { runtime: "automatic", importSource: "preact" } },
  test: { environment: "happy-dom", include: ["test/**/*.test.{ts,tsx}"] },
});
