import { render } from "preact";
import { gzipSync } from "node:zlib";
import { beforeEach, expect, test } from "vitest";
import { App } from "../src/app";
import { readDetail, readPage } from "../src/parts";
import { HOSTILE, fixture } from "./fixture";

const pack = (value: unknown) => gzipSync(JSON.stringify(value)).toString("base64");

beforeEach(() => {
  document.body.innerHTML = '<div id="app"></div>';
});

test("a page and its parts are read from the file", async () => {
  const { page, parts } = fixture(8, 2);
  const inside = parts.map((part, k) => `<script type="text/plain" class="softmode-part" data-part="${k}">${pack(part)}</script>`);
  document.body.innerHTML += `<script type="text/plain" id="softmode-page">${pack(page)}</script>${inside.join("")}`;
  expect(await readPage()).toEqual(page);
  expect((await readDetail(page, HOSTILE))?.material).toBe(HOSTILE);
  expect(await readDetail(page, "unknown")).toBeNull();
});

test("the page is drawn", () => {
  const root = document.getElementById("app")!;
  render(<App page={fixture().page} />, root);
  expect(root.querySelector("h1")?.textContent).toBe("Phonons of halides");
});
