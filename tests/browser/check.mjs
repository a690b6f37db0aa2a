// Opens pages in a real browser and reports what a visitor would suffer from. Reaches no host but those it is given.
import { mkdirSync, readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";

const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

const WIDTHS = { desktop: { width: 1280, height: 900 }, phone: { width: 390, height: 844 } };
const SCHEMES = ["light", "dark"];
const PAGE_TIMEOUT_MS = 15_000;
// A story has about ten pull requests; this leaves room and still bounds the run.
const PAGES_MAX = 40;

export function launch() {
  const flags = [
    "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
  ];
  // Chromium refuses its sandbox to root.
  if (process.getuid?.() === 0) flags.push("--no-sandbox");
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium", args: flags });
}

// Every page reachable from `starts` by links within their hosts: [{ page, problem }], and how many pages were seen.
export async function check(browser, starts, screenshots) {
  mkdirSync(screenshots, { recursive: true });
  const hosts = new Set(starts.map((start) => new URL(start).host));
  const queue = [...starts];
  const seen = new Set(queue);
  const problems = [];
  for (let i = 0; i < queue.length && i < PAGES_MAX; i++) {
    const links = await page(browser, queue[i], hosts, screenshots, problems);
    for (const link of links) {
      if (!seen.has(link) && hosts.has(new URL(link).host)) {
        seen.add(link);
        queue.push(link);
      }
    }
  }
  return { problems, pages: Math.min(queue.length, PAGES_MAX) };
}

async function page(browser, url, hosts, screenshots, problems) {
  const note = (problem) => problems.push({ page: url, problem });
  const seen = await visit(browser, url, hosts, {}, note, async (tab) => {
    for (const [device, viewport] of Object.entries(WIDTHS)) {
      await tab.setViewportSize(viewport);
      for (const colorScheme of SCHEMES) {
        await tab.emulateMedia({ colorScheme });
        const wider = await tab.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
        if (wider > 0) note(`scrolls sideways by ${wider} px (${device}, ${colorScheme})`);
        for (const found of await accessibility(tab)) note(`${found} (${device}, ${colorScheme})`);
        await tab.screenshot({ path: join(screenshots, `${slug(url)}-${colorScheme}-${device}.png`), fullPage: true });
      }
    }
    return { text: await text(tab), links: await tab.evaluate(() => [...document.links].map((a) => a.href.split("#")[0])) };
  });
  if (!seen) return [];
  await withoutScripts(browser, url, hosts, seen.text, (problem) => note(`${problem} (scripts off)`));
  return seen.links.filter((link) => /^https?:/.test(link));
}

// A reader without scripts sees the same words.
async function withoutScripts(browser, url, hosts, expected, note) {
  const phone = { javaScriptEnabled: false, viewport: WIDTHS.phone };
  await visit(browser, url, hosts, phone, note, async (tab) => {
    const shown = await text(tab);
    if (shown !== expected) note(`shows ${shown.length} characters of text instead of ${expected.length}`);
  });
}

// Opens the page as such a visitor, hands it to `look`, and notes failures to load, console errors and foreign requests.
async function visit(browser, url, hosts, visitor, problem, look) {
  const context = await browser.newContext(visitor);
  context.setDefaultTimeout(PAGE_TIMEOUT_MS);
  try {
    await context.route("**/*", (route) => {
      const asked = new URL(route.request().url());
      if (asked.protocol === "data:" || hosts.has(asked.host)) return route.continue();
      problem(`asks another host: ${asked.href}`);
      return route.abort();
    });
    const tab = await context.newPage();
    tab.on("console", (message) => message.type() === "error" && problem(`console: ${message.text()}`));
    tab.on("pageerror", (error) => problem(`script: ${error.message}`));
    const answer = await tab.goto(url, { waitUntil: "load" });
    if (!answer?.ok()) {
      problem(`answers ${answer?.status()}`);
      return undefined;
    }
    return await look(tab);
  } catch (error) {
    problem(`cannot be opened: ${error.message.split("\n")[0]}`);
    return undefined;
  } finally {
    await context.close();
  }
}

const text = (tab) => tab.evaluate(() => document.body.innerText.replace(/\s+/g, " ").trim());

async function accessibility(tab) {
  await tab.evaluate(axe);
  const { violations } = await tab.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
  const grave = violations.filter((found) => ["serious", "critical"].includes(found.impact));
  return grave.map((found) => `accessibility: ${found.id}, ${found.help}: ${found.nodes[0].target.join(" ")}`);
}

function slug(url) {
  const { port, pathname, search } = new URL(url);
  return `${port}${pathname}${search}`.replace(/[^\w.-]+/g, "_").replace(/_+$/, "").slice(0, 100);
}
