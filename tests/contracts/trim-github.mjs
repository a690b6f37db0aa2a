// Cuts GitHub's published documents to what wanted.json lists and mends what validators cannot take.
// Writes out/rest/*.json, out/webhooks/*.json (each file whole in itself), out/examples.json and out/schema.graphql.
// Plain Node, no packages of its own. Started by fetch.sh.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { reader, schema } from "./openapi.mjs";

const here = dirname(fileURLToPath(import.meta.url));
const out = join(here, "out");
const published = (path) => join(here, "node_modules/@octokit", path);
const readJson = (path) => JSON.parse(readFileSync(path, "utf8"));

const wanted = readJson(join(here, "wanted.json"));
const rest = readJson(published("openapi/generated/api.github.com.json"));
const hooks = readJson(published("openapi-webhooks/generated/api.github.com.json"));
const examples = readJson(published("webhooks-examples/api.github.com/index.json"));
const graphql = readFileSync(published("graphql-schema/schema.graphql"), "utf8");

// An installation belongs to a user or to an enterprise; the list of them asks for both at once. Mended while raw.
function mendInstallations(raw) {
  const account = raw?.items?.properties?.account;
  if (!account?.allOf) return raw;
  const { allOf, ...rest } = account;
  return { ...raw, items: { ...raw.items, properties: { ...raw.items.properties, account: { ...rest, anyOf: allOf } } } };
}

const { closure, definition, operation } = reader(rest, mendInstallations);

function webhook(name) {
  const post = rest["x-webhooks"][name].post;
  const event = post.parameters.find((p) => p.name.toLowerCase() === "x-github-event").example;
  const root = schema(post.requestBody.content["application/json"].schema);
  return { event, action: actionOf(root), schema: { ...root, $defs: closure([root]) } };
}

// The one action a payload's schema allows, or null where the event has none.
function actionOf(node) {
  if (node.$ref) return actionOf(definition(node.$ref.slice("#/$defs/".length)));
  if (node.properties?.action) return node.properties.action.enum?.[0] ?? null;
  const inner = [...(node.oneOf ?? []), ...(node.anyOf ?? []), ...(node.allOf ?? [])];
  return inner.map(actionOf).find((action) => action !== null) ?? null;
}

// Strict parsers refuse a type that defines a field twice, as the published schema does once: the later one goes.
function withoutRepeatedFields(text) {
  return text.replace(/^type EnterpriseOwnerInfo \{\n([\s\S]*?)^\}/m, (_, body) => {
    const seen = new Set();
    const fields = body.split(/\n\n(?=  """)/).filter((field) => {
      const name = field.match(/^  """\n[\s\S]*?^  """\n  (\w+)/m)[1];
      return !seen.has(name) && seen.add(name);
    });
    return `type EnterpriseOwnerInfo {\n${fields.join("\n\n").trimEnd()}\n}`;
  });
}

// Two thirds of the schema are prose that every test process would read anew.
const withoutProse = (text) => text.replace(/^ *"""[\s\S]*?"""\n/gm, "");

// What a query can reach. Mutations with their inputs and payloads are a third of the schema.
function reachable(text) {
  const blocks = text.split(/\n{2,}(?=\S)/).map((block) => block.trim());
  const named = new Map(blocks.map((block) => [block.match(/^(?:type|interface|union|enum|input|scalar) (\w+)/)?.[1], block]));
  const kept = new Set();
  const visit = (name) => {
    if (kept.has(name) || !named.has(name)) return;
    kept.add(name);
    named.get(name).match(/\w+/g).forEach(visit);
    // What implements an interface is reached through it.
    if (named.get(name).startsWith("interface")) {
      for (const [other, block] of named) if (new RegExp(`^type .*implements .*\\b${name}\\b`).test(block)) visit(other);
    }
  };
  visit("Query");
  return blocks.filter((block) => block.startsWith("directive") || kept.has(block.match(/^\w+ (\w+)/)?.[1])).join("\n\n");
}

function write(path, value) {
  writeFileSync(join(out, path), typeof value === "string" ? value : JSON.stringify(value));
}

rmSync(out, { recursive: true, force: true });
for (const folder of ["rest", "webhooks"]) mkdirSync(join(out, folder), { recursive: true });

const index = { rest: [], webhooks: [] };
for (const line of wanted.operations) {
  const found = operation(line);
  const file = `rest/${found.id.replace("/", ".")}.json`;
  write(file, found);
  index.rest.push({ method: found.method, template: found.template, file });
}

const webhooks = Object.keys(rest["x-webhooks"]).map(webhook).filter((found) => wanted.events.includes(found.event));
for (const { event, action, schema } of webhooks) {
  const file = `webhooks/${action ? `${event}.${action}` : event}.json`;
  write(file, schema);
  index.webhooks.push({ event, action, file });
}
for (const event of wanted.events) {
  if (!webhooks.some((found) => found.event === event)) throw new Error(`wanted.json: no webhook is named ${event}`);
}

// The second publication of the webhooks must not know a pair that the first one lacks.
for (const [name, { post }] of Object.entries(hooks.webhooks)) {
  const event = post.parameters.find((p) => p.name.toLowerCase() === "x-github-event").example;
  if (wanted.events.includes(event) && !(name in rest["x-webhooks"])) throw new Error(`${name} has no schema in the main document`);
}

write("examples.json", examples.filter((e) => wanted.events.includes(e.name)).map(({ name, examples }) => ({ event: name, examples })));
write("schema.graphql", reachable(withoutProse(withoutRepeatedFields(graphql))));
write("index.json", index);
console.log(`contracts: ${index.rest.length} operations, ${index.webhooks.length} webhooks`);
