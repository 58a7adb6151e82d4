// The view on show, whole, in the address: what is after # can be sent, and back and forward work.
import { signal } from "@preact/signals";

export type Route =
  | { name: "overview" }
  | { name: "chapter"; chapter: string; panel: string }
  | { name: "cells" }
  | { name: "failures" }
  | { name: "method" }
  /** The whole report on one page, to be printed. */
  | { name: "all" }
  | { name: "material"; material: string; /** What is told about, and whose bands are shown. */ potential?: string };

export type Seen = "all" | "unseen" | "seen";

export interface View {
  route: Route;
  /** Elements that a material must have: all of them, or any. */
  elements: string[];
  anyElement: boolean;
  groups: string[];
  potentials: string[];
  /** Values of columns of texts and flags. */
  classes: Record<string, string[]>;
  seen: Seen;
  text: string;
  /** Names of materials; empty: no restriction. */
  only: string[];
  /** Column that potentials are compared by; empty: the page's first. */
  metric: string;
  sort: { column: string; descending: boolean } | null;
  /** Columns of the table; null: the main ones. */
  columns: string[] | null;
  /** Page of the table, from 0. */
  rows: number;
}

export const START: View = {
  route: { name: "overview" },
  elements: [],
  anyElement: false,
  groups: [],
  potentials: [],
  classes: {},
  seen: "all",
  text: "",
  only: [],
  metric: "",
  sort: null,
  columns: null,
  rows: 0,
};

const LISTS = { e: "elements", g: "groups", p: "potentials", m: "only" } as const;

export function addressOf(view: View): string {
  const query = new URLSearchParams();
  for (const [key, name] of Object.entries(LISTS)) for (const value of view[name]) query.append(key, value);
  for (const column of Object.keys(view.classes).sort())
    for (const value of view.classes[column]!) query.append(`c.${column}`, value);
  if (view.anyElement) query.set("any", "1");
  if (view.seen !== "all") query.set("seen", view.seen);
  if (view.text) query.set("q", view.text);
  if (view.metric) query.set("by", view.metric);
  if (view.sort) query.set("sort", (view.sort.descending ? "-" : "") + view.sort.column);
  if (view.columns) for (const name of view.columns.length ? view.columns : [""]) query.append("col", name);
  if (view.rows) query.set("page", String(view.rows + 1));
  const text = query.toString();
  return `#/${pathOf(view.route)}${text ? `?${text}` : ""}`;
}

export function viewOf(address: string): View {
  const [path = "", ...rest] = address.replace(/^#?\/?/, "").split("?");
  const query = new URLSearchParams(rest.join("?"));
  const view: View = { ...START, route: routeOf(path), classes: {} };
  for (const [key, name] of Object.entries(LISTS)) view[name] = [...new Set(query.getAll(key))];
  for (const key of new Set(query.keys())) if (key.startsWith("c.")) view.classes[key.slice(2)] = query.getAll(key);
  view.anyElement = query.get("any") === "1";
  const seen = query.get("seen");
  view.seen = seen === "unseen" || seen === "seen" ? seen : "all";
  view.text = query.get("q") ?? "";
  view.metric = query.get("by") ?? "";
  const sort = query.get("sort");
  if (sort) view.sort = { column: sort.replace(/^-/, ""), descending: sort.startsWith("-") };
  if (query.has("col")) view.columns = query.getAll("col").filter(Boolean);
  view.rows = Math.max(0, Math.trunc(Number(query.get("page") ?? 1)) - 1) || 0;
  return view;
}

function pathOf(route: Route): string {
  if (route.name === "overview") return "";
  if (route.name === "material") return ["material", route.material, ...(route.potential ? [route.potential] : [])].map(encodeURIComponent).join("/");
  if (route.name !== "chapter") return route.name;
  const panel = route.panel ? `/${encodeURIComponent(route.panel)}` : "";
  return `chapter/${encodeURIComponent(route.chapter)}${panel}`;
}

function routeOf(path: string): Route {
  const [name, first = "", second = ""] = path.split("/").map(decoded);
  if (name === "material" && first) return { name, material: first, ...(second ? { potential: second } : {}) };
  if (name === "chapter" && first) return { name, chapter: first, panel: second };
  if (name === "cells" || name === "failures" || name === "method" || name === "all") return { name };
  return { name: "overview" };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // typed by hand, with a bare %
  }
}

export const view = signal<View>(viewOf(globalThis.location?.hash ?? ""));

/** How often an address was opened that the page did not set itself: a link, back and forward. */
export const arrivals = signal(0);

/** Where the window stood at each place of the history, and the one that is on show. */
const stood = new Map<number, number>();
let place = 0;

const placeOf = (state: unknown): number | null => {
  const given = (state as { place?: unknown } | null)?.place;
  return typeof given === "number" ? given : null;
};

/** Where the window stood when the reader left what is shown again; null: shown for the first time. */
export const scrollBefore = signal<number | null>(null);

const kept = new Map<number, boolean>();

/** What held when this place of the history was on show before, else what holds now. */
export function keptHere(now: () => boolean): boolean {
  const value = (scrollBefore.value === null ? undefined : kept.get(place)) ?? now();
  kept.set(place, value);
  return value;
}

/** Follows the address, also when the reader goes back. */
export function followAddress(): void {
  history.scrollRestoration = "manual";
  place = placeOf(history.state) ?? 0;
  history.replaceState({ place }, "");
  window.addEventListener("scroll", () => void stood.set(place, window.scrollY), { passive: true });
  window.addEventListener("popstate", () => {
    const known = placeOf(history.state);
    if (known === null) return newPlace(); // a link was followed
    place = known;
    scrollBefore.value = stood.get(known) ?? 0;
  });
  window.addEventListener("hashchange", () => {
    if (placeOf(history.state) === null) newPlace();
    if (addressOf(view.value) === location.hash) return;
    view.value = viewOf(location.hash);
    arrivals.value++;
  });
}

const nextPlace = (): number => Math.max(place, ...stood.keys()) + 1;

/** A link has been followed. */
function newPlace(): void {
  place = nextPlace();
  stood.set(place, 0);
  scrollBefore.value = null;
  history.replaceState({ place }, "");
}

/** Address of the view with some things changed; another selection begins at the first page of the table. */
export function hrefOf(change: Partial<View>): string {
  return addressOf(changed(change));
}

function changed(change: Partial<View>): View {
  const selects = Object.keys(change).some((key) => key !== "rows" && key !== "route" && key !== "columns");
  return { ...view.value, ...(selects ? { rows: 0 } : {}), ...change };
}

/** Shows another view; with `replace` the one before is not gone back to (typing, page after page). */
export function show(change: Partial<View>, replace = false): void {
  const next = changed(change);
  const address = addressOf(next);
  if (address !== location.hash) {
    if (!replace) {
      const held = next.route.name === view.value.route.name ? kept.get(place) : undefined;
      [place, scrollBefore.value] = [nextPlace(), null];
      if (held !== undefined) kept.set(place, held); // the reader sees it as it is now, also when coming back
    }
    history[replace ? "replaceState" : "pushState"]({ place }, "", address);
    stood.set(place, window.scrollY);
  }
  view.value = next;
}

export function materialHref(material: string, potential?: string): string {
  return hrefOf({ route: { name: "material", material, ...(potential ? { potential } : {}) } });
}
