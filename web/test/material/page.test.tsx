import { render } from "preact";
import { gzipSync } from "node:zlib";
import { expect, test, vi } from "vitest";
import { MaterialPage } from "../../src/material/page";
import { materialHref, viewOf } from "../../src/state";
import { HOSTILE, fixture } from "../fixture";

test("what a page tells of is in its address", () => {
  const address = materialHref("a/b", "c d");
  expect(address).toBe("#/material/a%2Fb/c%20d");
  expect(viewOf(address).route).toEqual({ name: "material", material: "a/b", potential: "c d" });
  expect(viewOf("#/material/mp-1").route).toEqual({ name: "material", material: "mp-1" });
});

test("a material's page: names stay text, neighbours are linked, bands are switched", async () => {
  const { page, parts } = fixture(24, 4);
  document.body.innerHTML = '<div id="root"></div>';
  parts.forEach((part, k) => {
    const script = document.createElement("script");
    script.type = "text/plain";
    script.className = "softmode-part";
    script.dataset.part = String(k);
    script.textContent = gzipSync(JSON.stringify(part)).toString("base64");
    document.body.append(script);
  });
  const root = document.getElementById("root")!;
  render(<MaterialPage page={page} material={page.materials[1]!} />, root);
  await vi.waitFor(() => expect(root.querySelector("#bands")).not.toBeNull());
  expect(root.querySelector("h1 .id")!.textContent).toBe(HOSTILE);
  expect(root.querySelector("script, h1 b")).toBeNull();
  const neighbours = [...root.querySelectorAll(".neighbours a")].map((link) => link.getAttribute("href"));
  expect(neighbours.slice(1)).toEqual(["#/material/mp-1000", "#/material/mp-1002"]);
  expect(root.querySelectorAll(".compared tbody tr").length).toBe(4);
  expect(root.querySelector(".why")!.textContent).toMatch(/of the other \d+ crystals/);
  const toggles = [...root.querySelectorAll<HTMLButtonElement>(".toggle")];
  expect(toggles.map((each) => each.getAttribute("aria-pressed")).sort()).toEqual(["false", "false", "false", "true"]);
  toggles.find((each) => each.getAttribute("aria-pressed") === "false")!.click();
  await vi.waitFor(() => expect(root.querySelectorAll('.toggle[aria-pressed="true"]').length).toBe(2));
  expect(root.querySelector("#structure")).not.toBeNull();
  expect(root.textContent).toContain("4.243");
  render(null, root);
});
