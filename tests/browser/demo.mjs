// Starts `mergecast demo` and checks every page it shows.
import { join } from "node:path";
import { check, launch } from "./check.mjs";
import { root, start } from "./start.mjs";

const { demo, pages } = start();
let browser;
try {
  const starts = await pages;
  browser = await launch();
  const { problems, pages: seen } = await check(browser, starts, join(root, "target/browser"));
  for (const { page, problem } of problems) console.error(`${page}: ${problem}`);
  console.log(`browser: ${seen} pages, light and dark, desktop and phone, ${problems.length} problems; pictures in target/browser`);
  process.exitCode = problems.length === 0 ? 0 : 1;
} catch (error) {
  console.error(`browser: ${error.message}`);
  process.exitCode = 1;
} finally {
  await browser?.close();
  demo.kill("SIGTERM");
}
