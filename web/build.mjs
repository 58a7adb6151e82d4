// Bundles the page: src/ and the packages of package.json become page.js, page.css and licences.txt, byte for byte the
// same each time. `node build.mjs DIRECTORY` writes elsewhere than into the Python package.
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";

const HERE = dirname(fileURLToPath(import.meta.url));
const ASSETS = resolve(HERE, "../src/softmode/report/assets");
const BROWSERS = ["chrome103", "firefox113", "safari16.4"];

/** 3Dmol is packed and unpacked only when a structure is shown: most views do without it. */
const viewer = {
  name: "viewer",
  setup(build) {
    build.onResolve({ filter: /^packed:3dmol$/ }, () => ({ path: "3dmol", namespace: "packed" }));
    build.onLoad({ filter: /.*/, namespace: "packed" }, () => {
      const code = readFileSync(join(HERE, "node_modules/3dmol/build/3Dmol-min.js"));
      return { contents: gzipSync(code, { level: 9 }).toString("base64"), loader: "text" };
    });
  },
};

/** What 3Dmol's own bundle holds beside 3Dmol. */
const WITHIN_VIEWER = ["3dmol", "iobuffer", "netcdfjs", "pako", "upng-js"];

export async function bundle(directory = ASSETS) {
  const result = await build({
    absWorkingDir: HERE,
    entryPoints: { page: "src/main.tsx" },
    outdir: directory,
    write: false,
    bundle: true,
    minify: true,
    format: "iife",
    target: BROWSERS,
    jsx: "automatic",
    jsxImportSource: "preact",
    legalComments: "none",
    charset: "utf8",
    metafile: true,
    plugins: [viewer],
  });
  mkdirSync(directory, { recursive: true });
  for (const file of result.outputFiles) {
    if (/<\/(script|style)|<!--/i.test(file.text)) throw new Error(`${file.path} cannot stand inside a page`);
    writeFileSync(file.path, file.contents);
  }
  writeFileSync(join(directory, "licences.txt"), licences(packagesOf(result.metafile)));
}

function packagesOf(metafile) {
  const names = new Set(WITHIN_VIEWER);
  for (const path of Object.keys(metafile.inputs)) {
    const found = /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(path);
    if (found) names.add(found[1]);
  }
  return [...names].sort();
}

function licences(names) {
  return names
    .map((name) => {
      const folder = join(HERE, "node_modules", name);
      const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      const file = readdirSync(folder).find((each) => /^licen[cs]e/i.test(each));
      const text = file ? readFileSync(join(folder, file), "utf8").trim() : `Licence: ${about.license}`;
      return `${name} ${about.version} (${about.license})\n\n${text}\n`;
    })
    .join(`\n${"-".repeat(80)}\n\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await bundle(process.argv[2]);
