// Proves that check.mjs bites: a good page has no problem, and each bad page has the one it was made for.
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { check, launch } from "./check.mjs";

const html = (body, head = "") => `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Fixture</title>
<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">${head}</head>
<body><main><h1>Fixture</h1>${body}</main></body></html>`;

const scheme = `<style>body, a { background: #fff; color: #111 }
@media (prefers-color-scheme: dark) { body, a { background: #111; color: #eee } }</style>`;

// Path -> [page, what its one problem says].
const PAGES = {
  "/good": [html("<p>Words</p><a href='/linked'>A page behind a link</a>", scheme), null],
  "/linked": [html("<p>Words</p>", scheme), null],
  "/foreign": [html("<img alt='' src='http://other.invalid/pixel.png'>"), "asks another host"],
  "/console": [html("<script>console.error('ouch')</script>"), "console: ouch"],
  "/throws": [html("<script>throw new Error('ouch')</script>"), "script: ouch"],
  "/wide": [html("<div style='width: 600px'>Words</div>"), "scrolls sideways"],
  "/pale": [html("<p style='color: #ccc; background: #fff'>Words</p>"), "accessibility: color-contrast"],
  "/night": [html("<p>Words</p>", "<style>@media (prefers-color-scheme: dark) { p { color: #222; background: #111 } }</style>"), "color-contrast"],
  "/scripted": [html("<p id=p></p><script>p.textContent = 'Words'</script>"), "scripts off"],
  "/broken": [null, "cannot be opened"],
  "/missing": ["", "answers 404"],
  "/inline": [html("<p>Words</p><script>1</script>"), "Content Security Policy"],
};

const server = createServer((request, response) => {
  const [page] = PAGES[request.url] ?? [];
  const strict = ["/good", "/linked", "/inline"].includes(request.url);
  if (strict) response.setHeader("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:");
  const status = { "/broken": 500, "/missing": 404 }[request.url] ?? 200;
  response.writeHead(status, { "content-type": "text/html; charset=utf-8" });
  response.end(page || (status === 404 ? html("<p>Nothing here</p>") : ""));
});
await new Promise((done) => server.listen(0, "127.0.0.1", done));
const base = `http://127.0.0.1:${server.address().port}`;
const browser = await launch();
try {
  for (const [path, [, expected]] of Object.entries(PAGES)) {
    const { problems, pages } = await check(browser, [base + path], join(tmpdir(), "mergecast-browser-selftest"));
    const lines = problems.map(({ problem }) => problem);
    if (expected === null) {
      assert.deepEqual(lines, [], path);
      assert.equal(pages, path === "/good" ? 2 : 1, `${path}: links are followed`);
    } else {
      assert.ok(lines.length > 0 && lines.some((line) => line.includes(expected)), `${path}: expected ${expected} in ${JSON.stringify(lines)}`);
    }
  }
  console.log(`browser: the checks bite (${Object.keys(PAGES).length} fixture pages)`);
} finally {
  await browser.close();
  server.close();
}
