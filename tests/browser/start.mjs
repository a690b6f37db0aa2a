// Starts `mergecast demo`. It says on stderr where to look, in one line:
//   pages: http://127.0.0.1:PORT/ [more addresses, separated by spaces]
import { spawn } from "node:child_process";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

const START_MS = 60_000;
export const root = join(dirname(fileURLToPath(import.meta.url)), "../..");
const target = process.env.CARGO_TARGET_DIR ?? join(root, "target");
const binary = process.argv[2] ?? join(target, "debug/mergecast");

// The process, and the addresses of its pages once the story is over; `said` is what it told on stderr.
export function start() {
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
  return { demo, pages, said };
}
