// Cuts Datadog's published documents and recordings to the operations that wanted.json lists.
// Writes out/datadog/rest/*.json (each file whole in itself), out/datadog/index.json and out/datadog/recordings.json.
// Plain Node and js-yaml. Started by fetch.sh.
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { load } from "js-yaml";
import { reader } from "./openapi.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "out/datadog");
const published = join(here, "datadog");
const text = (path) => readFileSync(join(published, path), "utf8");
const wanted = JSON.parse(readFileSync(join(here, "wanted.json"), "utf8")).datadog;

const readers = Object.fromEntries(["v1", "v2"].map((v) => [v, reader(load(text(`.generator/schemas/${v}/openapi.yaml`)))]));
const operations = wanted.map((line) => readers[line.match(/ \/api\/(v\d)\//)[1]].operation(line));

const pattern = (template) => new RegExp(`^${template.replaceAll(/\{[^}]*\}/g, "[^/]+")}$`);
const patterns = operations.map(({ method, template }) => ({ method, path: pattern(template) }));
const isWanted = (method, path) => patterns.some((one) => one.method === method && one.path.test(path));

// What a recorder kept of a body: JSON, else text; a request's may be absent.
function body(kept) {
  if (kept === null || kept === undefined || kept === "") return {};
  // Numbers past what a double holds have to stay as they were written, so JSON stays text.
  return { body: kept };
}

const HEADERS = /^(content-type|x-ratelimit-[a-z]+)$/i;

function interaction({ request, response }) {
  const uri = new URL(request.uri);
  const headers = Object.entries(response.headers ?? {}).filter(([name]) => HEADERS.test(name));
  return {
    request: { method: request.method, path: uri.pathname, query: uri.search.slice(1), ...body(request.body) },
    response: {
      status: response.status.code, headers: Object.fromEntries(headers.map(([name, values]) => [name, [values].flat()[0]])),
      ...body(response.body?.string),
    },
  };
}

function recordings(folder, keep) {
  const found = {};
  for (const file of readdirSync(join(published, folder)).filter((name) => name.endsWith(".yaml"))) {
    const recorded = text(`${folder}/${file}`);
    if (!keep.some((part) => recorded.includes(part))) continue;
    const all = load(recorded).interactions.map(interaction);
    const kept = keep.includes("uri:") ? all : all.filter(({ request }) => isWanted(request.method, request.path));
    if (kept.length > 0) found[file.replace(/^test_/, "").replace(/\.yaml$/, "")] = kept;
  }
  return found;
}

rmSync(out, { recursive: true, force: true });
mkdirSync(join(out, "rest"), { recursive: true });
const index = { rest: [], webhooks: [] };
for (const found of operations) {
  const file = `rest/${found.template.match(/v\d/)[0]}.${found.id}.json`;
  writeFileSync(join(out, file), JSON.stringify(found));
  index.rest.push({ method: found.method, template: found.template, file });
}
// The longest part of each path that is the same in all its recordings.
const parts = operations.map(({ template }) => template.split("{")[0]);
const recorded = {
  ...recordings("tests/v1/cassettes/test_scenarios", parts),
  ...recordings("tests/v2/cassettes/test_scenarios", parts),
  // How answers over limits look, of whatever call.
  ...recordings("tests/cassettes/test_retry", ["uri:"]),
};
writeFileSync(join(out, "recordings.json"), JSON.stringify(recorded));
writeFileSync(join(out, "index.json"), JSON.stringify(index));
console.log(`contracts: ${index.rest.length} operations of Datadog's, ${Object.keys(recorded).length} recordings`);
