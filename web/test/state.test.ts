import { expect, test } from "vitest";
import { START, addressOf, viewOf, type View } from "../src/state";

test("an address keeps a whole view", () => {
  const view: View = {
    route: { name: "material", material: 'a/b?"<#&=%' },
    elements: ["Cs", "Cl"],
    anyElement: true,
    groups: ["rock_salt"],
    potentials: ['p "q" & r=1', "<script>"],
    classes: { harmonic_state: ["stable, called stable", ""], flag: ["true"] },
    seen: "unseen",
    text: "K2 & more",
    only: ["mp-1"],
    metric: "rmse_w2_THz2",
    sort: { column: "rmse_w2_THz2", descending: true },
    columns: ["a", "b"],
    rows: 3,
  };
  expect(viewOf(addressOf(view))).toEqual(view);
  expect(viewOf(addressOf(START))).toEqual(START);
  const none: View = { ...START, columns: [] };
  expect(viewOf(addressOf(none))).toEqual(none);
});

test("an address typed by hand leads somewhere", () => {
  expect(viewOf("").route).toEqual({ name: "overview" });
  expect(viewOf("#/nowhere/%").route).toEqual({ name: "overview" });
  expect(viewOf("#/chapter/%E2%82/x?page=minus").rows).toBe(0);
});
