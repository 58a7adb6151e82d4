// Charts and pages of materials in a real browser: points lead to materials, structures turn, modes move.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { open, start, stop } from "../browser.mjs";

before(() => start());
after(stop);

const picture = (page, place) =>
  page.locator(".sm-stage canvas").nth(place).evaluate((canvas) => {
    const copy = Object.assign(document.createElement("canvas"), { width: 60, height: 60 });
    copy.getContext("2d").drawImage(canvas, 0, 0, 60, 60);
    return copy.toDataURL();
  });

test("a point is found by pointer and by keys, leads to its material, and back", async () => {
  const { page, complaints } = await open("#/chapter/Anharmonicity");
  const chart = page.getByRole("figure", { name: "σ against the reference" });
  const link = chart.locator('a.sm-target[tabindex="0"]');
  await link.waitFor({ state: "attached" });
  assert.equal(await link.count(), 1);
  await link.focus();
  await page.keyboard.press("End");
  const told = await link.getAttribute("aria-label");
  assert.match(told, /^mp-\d+, .*σ of the reference: [\d.]+/);
  assert.equal(await chart.locator(".sm-tip strong").innerText(), told.split(", σ")[0]);
  await page.keyboard.press("Enter");
  assert.match(page.url(), /#\/material\/mp-\d+/);
  assert.ok(told.startsWith(await page.locator("h1 .id").innerText()));
  assert.ok(told.includes(`, ${await page.getByRole("combobox", { name: "Potential" }).inputValue()},`));
  await page.goBack();
  const plot = chart.locator("svg.sm-facet");
  await plot.waitFor();
  const at = await plot.locator("a circle").first().evaluate((ring) => ({ x: Number(ring.getAttribute("cx")), y: Number(ring.getAttribute("cy")) }));
  await plot.hover({ position: { x: at.x + 2, y: at.y + 2 } });
  assert.ok(await chart.locator(".sm-tip").isVisible());
  await plot.click({ position: { x: at.x + 2, y: at.y + 2 } });
  assert.match(page.url(), /#\/material\/mp-\d+/);
  assert.deepEqual(complaints, []);
  await page.close();
});

test("a field of a matrix leads to its cells", async () => {
  const { page, complaints } = await open("#/chapter/Phonons");
  const chart = page.getByRole("figure", { name: "Harmonic stability" });
  await chart.scrollIntoViewIfNeeded();
  const link = chart.locator('a.sm-target[tabindex="0"]');
  await link.waitFor({ state: "attached" });
  await link.focus();
  await page.keyboard.press("ArrowDown");
  const n = /: (\d+) material/.exec(await link.getAttribute("aria-label"))[1];
  await page.keyboard.press("Enter");
  assert.match(page.url(), /c\.harmonic_state=/);
  assert.match(await page.locator(".left").innerText(), new RegExp(`^${n} of 24 materials`));
  assert.deepEqual(complaints, []);
  await page.close();
});

test("charts as files stand alone: light, no variables, no links; PNG twice as fine; numbers as they are", async () => {
  const { page, complaints } = await open("#/chapter/Phonons", { colorScheme: "dark" });
  const chart = page.getByRole("figure", { name: "Errors over those of the leader" });
  await chart.scrollIntoViewIfNeeded();
  const saved = async (kind) => {
    const [download] = await Promise.all([page.waitForEvent("download"), chart.getByRole("button", { name: `${kind} of` }).click()]);
    return readFileSync(await download.path());
  };
  const svg = (await saved("SVG")).toString();
  assert.doesNotMatch(svg, /var\(|currentColor|href|tabindex|NaN/);
  assert.match(svg, /rgb\(0, 114, 178\)/); // the first potential's, light
  assert.match(svg, /font-family/);
  const size = await page.evaluate((text) => {
    const root = new DOMParser().parseFromString(text, "image/svg+xml").documentElement;
    return { name: root.localName, width: Number(root.getAttribute("width")), ground: root.firstElementChild.getAttribute("fill") };
  }, svg);
  assert.deepEqual([size.name, size.ground], ["svg", "#ffffff"]);
  const png = await saved("PNG");
  assert.equal(png.subarray(1, 4).toString(), "PNG");
  assert.equal(png.readUInt32BE(16), 2 * size.width);
  assert.match((await saved("CSV")).toString(), /mace-mp-0b3,1,0\.8,1\.3/);
  assert.deepEqual(complaints, []);
  await page.close();
});

test("structures turn by keys, modes move until they are paused; neighbours and the way back", async () => {
  const { page, complaints } = await open("#/material/mp-1000?p=7net-0", { reducedMotion: "no-preference", viewport: { width: 360, height: 700 } });
  await page.locator(".sm-stage canvas").nth(1).waitFor();
  await page.waitForTimeout(600);
  const before = await picture(page, 0);
  await page.locator(".sm-stage").first().focus();
  await page.keyboard.press("ArrowRight");
  assert.notEqual(await picture(page, 0), before);
  await page.keyboard.press("0");
  assert.equal(await picture(page, 0), before);

  await page.locator(".mode-stage").nth(1).scrollIntoViewIfNeeded();
  await page.waitForTimeout(300);
  const moving = await picture(page, 1);
  await page.waitForTimeout(500);
  assert.notEqual(await picture(page, 1), moving);
  await page.getByRole("button", { name: "Pause" }).click();
  await page.waitForTimeout(200);
  const still = await picture(page, 1);
  await page.waitForTimeout(300);
  assert.equal(await picture(page, 1), still);

  await page.getByRole("combobox", { name: "Potential" }).selectOption("chgnet");
  await page.waitForURL(/#\/material\/mp-1000\/chgnet\?p=7net-0$/);
  assert.equal(await page.locator('.toggle[aria-pressed="true"]').innerText(), "chgnet");
  await page.locator('.neighbours a[rel="next"]').click();
  await page.waitForURL(/#\/material\/.*\/chgnet\?p=7net-0$/);
  await page.getByRole("link", { name: "Overview" }).last().click();
  assert.match(page.url(), /#\/\?p=7net-0$/);
  assert.deepEqual(complaints, []);
  await page.close();
});

test("motion that is not wanted does not begin", async () => {
  const { page } = await open("#/material/mp-1000?p=7net-0", { reducedMotion: "reduce" });
  await page.getByRole("button", { name: "Play" }).waitFor();
  await page.close();
});

test("without WebGL a sentence stands in the structure's place", async () => {
  const { page } = await open("#/");
  await page.addInitScript(() => {
    const own = HTMLCanvasElement.prototype.getContext;
    HTMLCanvasElement.prototype.getContext = function (kind, ...rest) {
      return kind.startsWith("webgl") ? null : own.call(this, kind, ...rest);
    };
  });
  await page.reload();
  await page.evaluate(() => (location.hash = "#/material/mp-1000"));
  await page.getByText("no WebGL").first().waitFor();
  assert.match(await page.locator(".constants").innerText(), /4\.243/);
  await page.close();
});
