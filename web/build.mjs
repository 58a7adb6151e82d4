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

/** What is packed and unpacked only when it is shown: 3Dmol, and the licences. */
function packed(contents) {
  return {
    name: "packed",
    setup(build) {
      build.onResolve({ filter: /^packed:/ }, ({ path }) => ({ path: path.slice("packed:".length), namespace: "packed" }));
      build.onLoad({ filter: /.*/, namespace: "packed" }, ({ path }) => ({
        contents: gzipSync(contents[path], { level: 9 }).toString("base64"),
        loader: "text",
      }));
    },
  };
}

/** What 3Dmol's own bundle holds beside 3Dmol. */
const WITHIN_VIEWER = ["3dmol", "iobuffer", "netcdfjs", "pako", "upng-js"];

export async function bundle(directory = ASSETS) {
  const viewer = readFileSync(join(HERE, "node_modules/3dmol/build/3Dmol-min.js"));
  const { metafile } = await compile(directory, { "3dmol": viewer, licences: "" });
  const texts = licences(packagesOf(metafile));
  const { outputFiles } = await compile(directory, { "3dmol": viewer, licences: texts });
  mkdirSync(directory, { recursive: true });
  for (const file of outputFiles) {
    if (/<\/(script|style)|<!--/i.test(file.text)) throw new Error(`${file.path} cannot stand inside a page`);
    writeFileSync(file.path, file.contents);
  }
  writeFileSync(join(directory, "licences.txt"), texts);
}

function compile(directory, contents) {
  return build({
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
    preserveSymlinks: true, // packages are known by the folder they lie in
    plugins: [packed(contents)],
  });
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
