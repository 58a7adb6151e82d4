// The page in a real browser, opened from disk: npm run browser (Chromium, or another by the variable CHROMIUM).
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import { address, AXE, open, start, stop } from "../browser.mjs";

before(() => start());
after(stop);

const left = (page) => page.locator(".left").innerText();

test("filters by keyboard; the address keeps them; back takes them off", async () => {
  const { page, complaints } = await open();
  assert.equal(await left(page), "24 of 24 materials, 96 of 96 cells");
  await page.locator('.element[tabindex="0"]').focus();
  for (const key of ["ArrowDown", "ArrowDown", "ArrowRight"]) await page.keyboard.press(key); // Li, Na, K, Ca
  await page.keyboard.press("Enter");
  await page.waitForURL(/\?e=Ca$/);
  assert.equal(await left(page), "3 of 24 materials, 12 of 96 cells");
  await page.locator(".chip input[type=checkbox]").first().focus();
  await page.keyboard.press("Space");
  await page.waitForURL(/e=Ca&g=F$/);
  await page.goBack();
  assert.equal(await left(page), "3 of 24 materials, 12 of 96 cells");
  await page.getByRole("button", { name: "Reset" }).click();
  assert.equal(await left(page), "24 of 24 materials, 96 of 96 cells");
  assert.deepEqual(complaints, []);
  await page.close();
});

test("the table sorts, searches, is saved as shown and leads to materials and back", async () => {
  const { page, complaints } = await open("#/cells");
  const figures = () => page.locator("table.grid tbody tr").evaluateAll((rows) => rows.map((row) => row.cells[4].textContent));
  await page.getByRole("button", { name: "RMSE(ω²)" }).click();
  const ascending = (await figures()).filter((each) => each !== "—").map(Number);
  assert.deepEqual(ascending, [...ascending].sort((a, b) => a - b));
  await page.getByRole("button", { name: "RMSE(ω²)" }).click();
  assert.equal(await page.locator("th[aria-sort=descending]").count(), 1);
  assert.match(page.url(), /sort=-rmse_w2_THz2/);

  await page.getByRole("searchbox", { name: "Search names" }).fill("mp-1004 chgnet");
  assert.equal(await left(page), "1 of 24 materials, 1 of 96 cells");
  const [download] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: /^CSV/ }).click()]);
  const [head, row, ...rest] = readFileSync(await download.path(), "utf8").trim().split("\n");
  assert.match(head, /^material,formula,group,potential/);
  assert.equal(rest.length, 0);
  const [shown] = await figures();
  assert.equal(Number(Number(row.split(",")[6]).toPrecision(3)), Number(shown));

  await page.locator("table.grid tbody a").first().click();
  assert.match(page.url(), /#\/material\/mp-1004(\/chgnet)?\?/);
  await page.goBack();
  assert.equal(await left(page), "1 of 24 materials, 1 of 96 cells");
  assert.deepEqual(complaints, []);
  await page.close();
});

test("a material is found by its formula", async () => {
  const { page, complaints } = await open();
  await page.getByLabel("Find a material").fill("KSrF3 · mp-1012");
  assert.match(page.url(), /#\/material\/mp-1012$/);
  await page.getByLabel("Find a material").fill("mp-1004");
  await page.keyboard.press("Enter");
  assert.match(page.url(), /#\/material\/mp-1004$/);
  await page.goto(address("#/cells?q=chgnet&e=Cl")); // which leaves one potential, and not this crystal
  await page.getByLabel("Find a material").fill("F3SrK 7net-0");
  await page.keyboard.press("Enter");
  assert.match(page.url(), /#\/material\/mp-1012\/7net-0$/);
  assert.deepEqual(complaints, []);
  await page.close();
});

test("names stay text", async () => {
  const { page, complaints } = await open("#/cells?q=script");
  assert.match(await page.locator("table.grid tbody").innerText(), /<script>alert\("1"\)<\/script> & =1\+1/);
  await page.goto(address(`#/material/${encodeURIComponent('<img src=x onerror=alert(1)>')}`));
  assert.match(await page.locator("main").innerText(), /no material “<img src=x onerror=alert\(1\)>”/);
  assert.deepEqual(complaints, []);
  await page.close();
});

test("a link with filters opens on their answer; back finds the place that was left", async () => {
  const { page, complaints } = await open("#/?g=Cl");
  const heads = await page.getByRole("heading", { level: 2 }).allInnerTexts();
  assert.deepEqual(heads.slice(0, 2), ["Of what the filters leave", "Verdict of the whole run"]);
  assert.match(await page.locator(".which").innerText(), /On chlorides 7net-0 leads/);
  await page.goto(address("#/cells?seen=unseen"));
  await page.locator("table.grid tbody tr").nth(40).scrollIntoViewIfNeeded();
  const before = await page.evaluate(() => scrollY);
  assert.ok(before > 300);
  await page.locator("table.grid tbody tr").nth(40).getByRole("link").first().click();
  await page.waitForSelector("#why");
  assert.equal(await page.evaluate(() => scrollY), 0);
  await page.goBack();
  await page.waitForFunction((top) => Math.abs(scrollY - top) < 3, before);
  assert.equal(await left(page), "21 of 24 materials, 84 of 96 cells; phonons seen in training by none of the 4 potentials");
  assert.deepEqual(complaints, []);
  await page.close();
});

test("a choice made on the overview leaves its order as it is, also on coming back; filters opened far down come into sight", async () => {
  const { page, complaints } = await open();
  await page.locator("label.chip", { hasText: "chlorides" }).click();
  const heads = () => page.getByRole("heading", { level: 2 }).allInnerTexts();
  const before = await heads();
  assert.equal(before[0], "Verdict");
  await page.locator(".choice table").getByRole("link").first().click();
  await page.waitForSelector("table.grid");
  await page.goBack();
  await page.waitForSelector(".choice");
  assert.deepEqual(await heads(), before);
  await page.goto(address("#/chapter/Phonons"));
  await page.evaluate(() => window.scrollTo(0, 900));
  await page.getByRole("button", { name: "Filters", exact: true }).click();
  await page.waitForFunction(() => {
    const { top } = document.querySelector(".filters").getBoundingClientRect();
    return top >= 0 && top < innerHeight;
  });
  assert.deepEqual(complaints, []);
  await page.close();
});

test("what is on show is printed, light; the whole report from its own address", async () => {
  const { page, complaints } = await open("#/chapter/Phonons", { colorScheme: "dark" });
  const heading = (name) => page.getByRole("heading", { name }).count();
  const print = (when) => page.evaluate((name) => window.dispatchEvent(new Event(name)), when);
  await print("beforeprint");
  assert.ok(await heading("Errors of ω²"));
  assert.equal(await heading("σ in time"), 0);
  assert.equal(await page.locator(".chart.waiting").count(), 0);
  await print("afterprint");
  await page.getByRole("link", { name: "Print the whole report" }).click();
  await page.waitForURL(/#\/all$/);
  await print("beforeprint");
  for (const title of ["Errors of ω²", "Against each other", "σ in time", "Method and sources"]) assert.ok(await heading(title), title);
  assert.equal(await page.locator(".chart.waiting").count(), 0);
  await page.emulateMedia({ media: "print" });
  assert.equal(await page.evaluate(() => getComputedStyle(document.body).backgroundColor), "rgb(255, 255, 255)");
  const pdf = await page.pdf({ preferCSSPageSize: true, printBackground: true });
  assert.ok(pdf.length > 20_000);
  assert.deepEqual(complaints, []);
  await page.close();
});

test("a table that scrolls on a narrow screen is there on paper", async () => {
  const { page, complaints } = await open("#/cells", { viewport: { width: 500, height: 900 } });
  const cut = page.locator(".scrolls.cut");
  await cut.first().scrollIntoViewIfNeeded();
  assert.ok((await cut.count()) > 0);
  await page.emulateMedia({ media: "print" });
  for (const table of await page.locator(".scrolls table").all()) assert.ok(await table.isVisible());
  assert.deepEqual(complaints, []);
  await page.close();
});

const VIEWS = ["#/", "#/?e=Cl&g=Cl", "#/chapter/Phonons", "#/chapter/Anharmonicity", "#/chapter/Dynamics", "#/cells", "#/failures", "#/method", "#/all", "#/material/mp-1000"];

for (const width of [320, 1280, 2560])
  for (const colorScheme of ["light", "dark"])
    test(`no axe violation and nothing cut at ${width} pixels, ${colorScheme}`, async () => {
      const { page, complaints } = await open("", { viewport: { width, height: 900 }, colorScheme });
      await page.addScriptTag({ content: AXE });
      for (const view of VIEWS) {
        await page.evaluate((hash) => (location.hash = hash), view);
        let violations = [];
        for (let tries = 0; tries < 4 && (tries === 0 || violations.length); tries++) {
          await page.waitForTimeout(400); // charts are drawn when they come into sight; a busy machine takes longer
          ({ violations } = await page.evaluate(() => window.axe.run()));
        }
        assert.deepEqual(violations.map((each) => `${view}: ${each.id}: ${each.nodes[0].html}`), []);
        assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), `${view} is cut`);
      }
      assert.deepEqual(complaints, []);
      await page.close();
    });
