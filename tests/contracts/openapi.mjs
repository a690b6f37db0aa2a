// Cuts an OpenAPI 3.0 document to single operations, each a file of JSON Schemas that is whole in itself.
// Plain Node, no packages.

const PROSE = new Set(["title", "description", "example", "examples", "externalDocs", "discriminator", "xml", "deprecated"]);
const METHODS = ["get", "post", "put", "patch", "delete"];
export const isMap = (value) => value !== null && typeof value === "object" && !Array.isArray(value);

// OpenAPI 3.0 schema -> JSON Schema 2020-12. Prose goes; `nullable` becomes a null alternative.
export function schema(node) {
  if (!isMap(node)) return node;
  if (node.$ref) {
    const reference = { $ref: node.$ref.replace("#/components/schemas/", "#/$defs/") };
    return node.nullable === true ? orNull(reference) : reference;
  }
  const kept = {};
  for (const [key, value] of Object.entries(node)) {
    if (PROSE.has(key) || key === "nullable" || key === "default" || key.startsWith("x-")) continue;
    if (key === "properties" || key === "patternProperties") {
      kept[key] = Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, schema(inner)]));
    } else if (key === "items" || key === "additionalProperties" || key === "not") {
      kept[key] = schema(value);
    } else if (key === "oneOf" || key === "anyOf" || key === "allOf") {
      kept[key] = value.map(schema);
    } else if (key === "exclusiveMinimum" || key === "exclusiveMaximum") {
      const bound = key === "exclusiveMinimum" ? "minimum" : "maximum";
      if (value === true) kept[key] = node[bound];
      else if (value !== false) kept[key] = value;
    } else kept[key] = value;
  }
  if (node.exclusiveMinimum === true) delete kept.minimum;
  if (node.exclusiveMaximum === true) delete kept.maximum;
  return node.nullable === true ? orNull(kept) : kept;
}

function orNull(kept) {
  const combined = ["oneOf", "anyOf", "allOf", "$ref"].some((key) => key in kept);
  if (combined) return { anyOf: [kept, { type: "null" }] };
  if (kept.type === undefined) return kept; // No type at all takes null already.
  if (kept.enum && !kept.enum.includes(null)) kept.enum = [...kept.enum, null];
  return { ...kept, type: [...[kept.type].flat(), "null"] };
}

const jsonType = (content) => Object.keys(content ?? {}).find((name) => /^application\/(.+\+)?json$/.test(name));

// Reads operations out of one document. `mend` may change an answer's schema while it is raw.
export function reader(document, mend = (raw) => raw) {
  const definitions = new Map();

  function definition(name) {
    if (!definitions.has(name)) {
      if (!(name in document.components.schemas)) throw new Error(`no schema is named ${name}`);
      definitions.set(name, schema(document.components.schemas[name]));
    }
    return definitions.get(name);
  }

  // Every definition that the given schemas reach, and no other.
  function closure(roots) {
    const found = {};
    const look = (node) => {
      if (Array.isArray(node)) return node.forEach(look);
      if (!isMap(node)) return;
      if (typeof node.$ref === "string") {
        const name = node.$ref.slice("#/$defs/".length);
        if (!(name in found)) look((found[name] = definition(name)));
      }
      Object.values(node).forEach(look);
    };
    roots.forEach(look);
    return found;
  }

  function resolve(node) {
    while (isMap(node) && node.$ref) {
      const path = node.$ref.slice(2).split("/");
      node = path.reduce((at, key) => at[key.replaceAll("~1", "/").replaceAll("~0", "~")], document);
    }
    return node;
  }

  // `GET /path/{name}`, where `{name+}` may hold slashes.
  function operation(line) {
    const [method, template] = line.split(" ");
    const path = template.replaceAll("+}", "}");
    const item = document.paths[path];
    const found = METHODS.includes(method.toLowerCase()) && item?.[method.toLowerCase()];
    if (!found) throw new Error(`wanted.json: the document has no ${method} ${path}`);
    const parameters = [...(item.parameters ?? []), ...(found.parameters ?? [])].map(resolve);
    const query = Object.fromEntries(parameters.filter((p) => p.in === "query").map((p) => [p.name, schema(p.schema)]));
    const needed = parameters.filter((p) => p.in === "query" && p.required).map((p) => p.name);
    const body = resolve(found.requestBody);
    const request = schema(body?.content?.[jsonType(body.content)]?.schema) ?? null;
    const responses = {};
    const types = {};
    for (const [status, reference] of Object.entries(found.responses)) {
      const content = resolve(reference).content;
      const type = jsonType(content);
      responses[status] = schema(mend(content?.[type]?.schema)) ?? null;
      types[status] = type ?? null;
    }
    const roots = [request, ...Object.values(query), ...Object.values(responses)];
    return {
      method, template, id: found.operationId, query, query_required: needed, request_required: body?.required === true,
      request, responses, types, $defs: closure(roots),
    };
  }

  return { closure, definition, operation };
}
