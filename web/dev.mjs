// Writes a page of the fixture, or of a JSON file { page, parts }, for looking at it:
//   npm run dev -- page.html [page.json] [materials potentials]
import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { bundle } from "./build.mjs";

const HERE = dirname(fileURLToPath(import.meta.url));
const pack = (value) => gzipSync(JSON.stringify(value)).toString("base64");

export function html({ page, parts }, assets) {
  const read = (name) => readFileSync(join(assets, name), "utf8");
  const title = page.title.replace(/&/g, "&amp;").replace(/</g, "&lt;");
  const inside = parts.map((part, k) => `<script type="text/plain" class="softmode-part" data-part="${k}">${pack(part)}</script>`);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title>
<link rel="icon" href="data:,">
<style>${read("page.css")}</style>
</head>
<body>
<div id="app"><noscript>This page needs JavaScript; its numbers are in the folder tables.</noscript></div>
<script type="text/plain" id="softmode-page">${pack(page)}</script>
${inside.join("\n")}
<script>${read("page.js")}</script>
</body>
</html>
`;
}

async function fixture(nMaterials, nPotentials) {
  const file = join(mkdtempSync(join(tmpdir(), "softmode-page-")), "fixture.mjs");
  await build({ entryPoints: [join(HERE, "test/fixture.ts")], outfile: file, bundle: true, format: "esm" });
  return (await import(pathToFileURL(file).href)).fixture(nMaterials, nPotentials);
}

export async function write(out, { json, nMaterials = 24, nPotentials = 4 } = {}) {
  const assets = mkdtempSync(join(tmpdir(), "softmode-assets-"));
  await bundle(assets);
  const what = json ? JSON.parse(readFileSync(json, "utf8")) : await fixture(nMaterials, nPotentials);
  writeFileSync(out, html(what.page ? { parts: [], ...what } : { page: what, parts: [] }, assets));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const words = process.argv.slice(3);
  const json = words.find((each) => each.endsWith(".json"));
  const [nMaterials, nPotentials] = words.filter((each) => /^\d+$/.test(each)).map(Number);
  await write(process.argv[2] ?? "page.html", { json, nMaterials, nPotentials });
}
