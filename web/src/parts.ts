// What lies packed in the page or beside it: the document, and the details of materials in parts.
import type { Detail, Page } from "./contract";

type Receiver = (part: number, packed: string) => void;

declare global {
  interface Window {
    softmodePart?: Receiver;
  }
}

/** Text of gzipped bytes in base64. */
export async function unpack(packed: string): Promise<string> {
  const binary = atob(packed.replace(/\s+/g, ""));
  const bytes = new Uint8Array(binary.length);
  for (let i = 0; i < binary.length; i++) bytes[i] = binary.charCodeAt(i);
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Response(stream).text();
}

export async function readPage(): Promise<Page> {
  const element = document.getElementById("softmode-page");
  if (!element?.textContent) throw new Error("This file holds no page of softmode.");
  return JSON.parse(await unpack(element.textContent)) as Page;
}

const known = new Map<number, Promise<Detail[]>>();

/** Details of the materials of a part; it is read once. */
export function readPart(part: number, inside: boolean): Promise<Detail[]> {
  let details = known.get(part);
  if (!details) {
    details = (inside ? packedInside(part) : packedBeside(part)).then(unpack).then((text) => JSON.parse(text));
    details.catch(() => known.delete(part)); // may be tried again
    known.set(part, details);
  }
  return details;
}

export async function readDetail(page: Page, material: string): Promise<Detail | null> {
  const part = page.materials.find((each) => each.name === material)?.part ?? -1;
  if (part < 0) return null;
  const details = await readPart(part, page.parts_inside);
  return details.find((each) => each.material === material) ?? null;
}

async function packedInside(part: number): Promise<string> {
  const element = document.querySelector(`script.softmode-part[data-part="${part}"]`);
  if (!element?.textContent) throw new Error(`Part ${part} is not in this file.`);
  return element.textContent;
}

const waiting = new Map<number, (packed: string) => void>();

/** A script of the folder beside the page calls `softmodePart`: the only way that works from disk. */
function packedBeside(part: number): Promise<string> {
  window.softmodePart = (number, packed) => waiting.get(number)?.(packed);
  return new Promise((done, refuse) => {
    const script = document.createElement("script");
    waiting.set(part, done);
    script.src = `parts/${part}.js`;
    script.onload = () => script.remove();
    script.onerror = () => {
      script.remove();
      refuse(new Error(`parts/${part}.js cannot be read: it belongs beside this page.`));
    };
    document.head.append(script);
  });
}
