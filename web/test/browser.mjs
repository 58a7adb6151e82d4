// A real browser that opens the page of the fixture from disk, for the tests of test/browser.
import { mkdtempSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";
import { write } from "../dev.mjs";

export const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const FLAGS = [
  ...["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-component-update"],
  ...["--disable-sync", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"],
];
const file = join(mkdtempSync(join(tmpdir(), "softmode-browser-")), "page.html");
export const address = (hash = "") => pathToFileURL(file).href + hash;
let browser;

export async function start(flags = []) {
  await write(file);
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: [...FLAGS, ...flags] });
}

export const stop = () => browser?.close();

/** A page that must not complain, ask for anything, or open a dialogue. */
export async function open(hash = "", options = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options });
  const complaints = [];
  page.on("console", (said) => ["error", "warning"].includes(said.type()) && !/GL Driver Message/.test(said.text()) && complaints.push(said.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("dialog", (dialog) => (complaints.push(`dialogue: ${dialog.message()}`), dialog.dismiss()));
  page.on("request", (request) => /^(file|data|blob):/.test(request.url()) || complaints.push(request.url()));
  await page.goto(address(hash));
  await page.waitForSelector("h1");
  return { page, complaints };
}
