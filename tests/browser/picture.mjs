// Takes the README's pictures: the check run of a pull request of the demo, light and dark, as the simulated GitHub shows it.
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { launch } from "./check.mjs";
import { root, start } from "./start.mjs";

// The migration that destroys data: a floor, a way down, annotations.
const PULL_REQUEST = 3;
// The page's own width. The picture ends with the table that adds up: below it stands the hour of the score.
const WIDTH = 1000;
const END = "Read, and worth no points";

const { demo, pages, said } = start();
let browser;
try {
  await pages;
  const list = said.map((line) => line.match(/^GitHub's side of it: (\S+)\/pulls$/)?.[1]).find(Boolean);
  if (!list) throw new Error("the demo did not say where GitHub's side of it is");
  browser = await launch();
  mkdirSync(join(root, "docs"), { recursive: true });
  for (const [colorScheme, name] of [["light", "check-run.png"], ["dark", "check-run-dark.png"]]) {
    const viewport = { width: WIDTH, height: 800 };
    const context = await browser.newContext({ viewport, colorScheme, deviceScaleFactor: 2 });
    const tab = await context.newPage();
    await tab.goto(`${list}/pull/${PULL_REQUEST}/checks`);
    const end = await tab.getByText(END).first().boundingBox();
    const clip = { x: 0, y: 0, width: WIDTH, height: Math.floor(end.y) };
    await tab.screenshot({ path: join(root, "docs", name), fullPage: true, clip });
    await context.close();
  }
} catch (error) {
  console.error(`picture: ${error.message}`);
  process.exitCode = 1;
} finally {
  await browser?.close();
  demo.kill("SIGTERM");
}
