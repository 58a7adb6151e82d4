// 3Dmol, unpacked when the first structure is shown.
import packed from "packed:3dmol";
import type * as Viewer from "3dmol";
import { unpack } from "./parts";

let loaded: Promise<typeof Viewer> | null = null;

export function load3dmol(): Promise<typeof Viewer> {
  loaded ??= unpack(packed).then((code) => {
    const script = document.createElement("script");
    script.textContent = code;
    document.head.append(script);
    script.remove();
    return (window as unknown as { "3Dmol": typeof Viewer })["3Dmol"];
  });
  return loaded;
}
