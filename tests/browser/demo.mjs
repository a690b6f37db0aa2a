// Starts `mergecast demo` and checks every page it shows. The demo says on stderr where to look, in one line:
//   pages: http://127.0.0.1:PORT/ [more addresses, separated by spaces]
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { check, launch } from "./check.mjs";

const START_MS = 60_000;
const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const binary = process.argv[2] ?? join(target, "debug/mergecast");

function start() {
  const demo = spawn(binary, ["demo"], { stdio: ["ignore", "ignore", "pipe"] });
  const said = [];
  const pages = new Promise((resolve, reject) => {
    const fail = (why) => reject(new Error(`mergecast demo ${why}\n${said.slice(-30).join("\n")}`));
    const timer = setTimeout(() => fail(`printed no "pages: URL" line within ${START_MS / 1000} s`), START_MS);
    createInterface({ input: demo.stderr }).on("line", (line) => {
      said.push(line);
      const found = line.match(/^pages: (.+)$/);
      if (found) {
        clearTimeout(timer);
        resolve(found[1].trim().split(/\s+/));
      }
    });
    demo.on("error", (error) => fail(`did not start: ${error.message}`));
    demo.on("exit", (code) => {
      clearTimeout(timer);
      fail(`ended early with exit code ${code}`);
    });
  });
  return { demo, pages };
}

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
