import { render } from "preact";
import { App } from "./app";
import { readPage } from "./parts";
import { followAddress } from "./state";
import "./style/page.css";

async function start(): Promise<void> {
  const root = document.getElementById("softmode-app")!;
  try {
    const page = await readPage();
    followAddress();
    document.title = page.title;
    render(<App page={page} />, root);
  } catch (error) {
    root.textContent = `This page cannot be shown: ${error instanceof Error ? error.message : String(error)}`;
  }
}

void start();
