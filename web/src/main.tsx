import { render } from "preact";
import { App } from "./app";
import { readPage } from "./parts";
import { followPrinting } from "./print";
import { followAddress } from "./state";
import "./style/page.css";
import { followTheme } from "./theme";

async function start(): Promise<void> {
  const root = document.getElementById("app")!;
  try {
    followTheme();
    const page = await readPage();
    followAddress();
    followPrinting();
    root.replaceChildren();
    render(<App page={page} />, root);
  } catch (error) {
    root.textContent = `This page cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
  }
}

void start();
