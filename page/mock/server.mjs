// A pretended Grapevine service: the HTTP of the real one with made-up data, and the page at `/`.

import { readFileSync } from "node:fs";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

import { attention, experimentReport, graph, recommend } from "./answers.mjs";
import { PAYLOADS } from "./payloads.mjs";
import { picture } from "./png.mjs";
import { Traffic } from "./traffic.mjs";
import { BEHAVIOURS, NUM_POINTS, World } from "./world.mjs";

const HERE = fileURLToPath(new URL(".", import.meta.url));
const BUILT = join(HERE, "../../src/grapevine/serving/page");

/** What the real service must send with every file of the page. */
export const HEADERS = {
  "content-security-policy":
    "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; object-src 'none'; " +
    "require-trusted-types-for 'script'; trusted-types svelte-trusted-html",
  "x-content-type-options": "nosniff",
  "referrer-policy": "no-referrer",
  "cross-origin-opener-policy": "same-origin",
};
const KINDS = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
  ".svg": "image/svg+xml",
  ".txt": "text/plain; charset=utf-8",
  ".woff2": "font/woff2",
};

class Refused extends Error {
  constructor(status, code, message, hint, headers = {}) {
    super(message);
    Object.assign(this, { status, code, hint, headers });
  }
}

export class Mock {
  /**
   * @param {object} options
   * @param {boolean} [options.hostile] every text from data is an attack
   * @param {string} [options.key] the API key to ask for; none where empty
   * @param {string} [options.folder] of the built page
   */
  constructor({ hostile = false, key = "", folder = BUILT } = {}) {
    this.world = new World(hostile);
    this.key = key;
    this.folder = folder;
    this.traffic = new Traffic();
    this.requests = [];
    this.faults = [];
    this.seen = new Set();
    this.pictures = new Map();
    this.model = {
      name: "vine",
      version: "2026-11-20.1",
      run: "runs/vine",
      since: "2026-11-20T08:15:00Z",
      metrics: { "ndcg@10": { mean: 0.7726, low: 0.7601, high: 0.7852 } },
      behaviours: BEHAVIOURS,
    };
    this.report = JSON.parse(readFileSync(join(HERE, "report.json"), "utf8"));
    this.experiments = new Map();
    const arms = (first, second) => [
      { name: first, share: 0.5, run: "runs/vine" },
      { name: second, share: 0.5, run: "runs/vine-2" },
    ];
    this.#keep("vine-against-pinsage", { layer: "model", salt: "a1", arms: arms("vine", "pinsage"), metric: "buys per user", share_of_layer: 1 }, 21);
    this.#keep("more-diversity", {
      layer: "rules", salt: "b7", metric: "clicks per list", share_of_layer: 0.5,
      arms: [{ name: "as it is", share: 0.4 }, { name: "0.2", share: 0.3 }, { name: "0.5", share: 0.3 }],
    }, 9);
    if (hostile) this.#makeHostile();
  }

  /** Answer the next `times` requests of a path that starts so with a fault. */
  fail(path, status, code, message, hint, times = 1) {
    this.faults.push({ path, times, error: new Refused(status, code, message, hint) });
  }

  /** Listen on a free port, or the one given; gives the address. */
  async start(port = 0) {
    this.server = createServer((request, response) => this.#handle(request, response));
    await new Promise((done) => this.server.listen(port, "127.0.0.1", done));
    return `http://127.0.0.1:${this.server.address().port}`;
  }

  async stop() {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  #keep(name, experiment, days) {
    this.experiments.set(name, { ...experiment, name, since: Date.now() - days * 86_400_000, days });
  }

  #makeHostile() {
    for (const run of this.report.runs) run.run = `${run.run} ${PAYLOADS[1]}`;
    for (const pair of this.report.comparisons) {
      pair.a = `${pair.a} ${PAYLOADS[1]}`;
      pair.b = `${pair.b} ${PAYLOADS[1]}`;
    }
    this.report.warnings = PAYLOADS.slice(0, 30);
    this.model.name = PAYLOADS[2];
    this.experiments.clear();
    for (const payload of PAYLOADS.slice(0, 30)) {
      const arms = [{ name: PAYLOADS[3], share: 0.5 }, { name: PAYLOADS[4], share: 0.5 }];
      this.#keep(payload, { layer: PAYLOADS[5], salt: "s", metric: PAYLOADS[6], arms }, 5);
    }
  }

  async #handle(request, response) {
    const url = new URL(request.url, "http://mock");
    this.requests.push({ method: request.method, path: url.pathname, query: url.searchParams });
    let status = 200;
    try {
      const fault = this.faults.find(({ path, times }) => times > 0 && url.pathname.startsWith(path));
      if (fault) {
        fault.times--;
        throw fault.error;
      }
      if (url.pathname.startsWith("/v1/")) {
        if (this.key && request.headers.authorization !== `Bearer ${this.key}`) {
          throw new Refused(401, "unauthorised", "An API key is needed.", "Send it as `Authorization: Bearer KEY`.");
        }
        const body = await read(request);
        const answer = this.#answer(request.method, url, body);
        status = answer.status ?? 200;
        send(response, status, answer.kind ?? "application/json", answer.bytes ?? JSON.stringify(answer.body));
      } else this.#file(url.pathname, response);
    } catch (error) {
      status = error.status ?? 500;
      const { code = "bug", message, hint = "" } = error;
      const body = JSON.stringify({ error: { code, message, hint, where: url.pathname } });
      send(response, status, "application/json", body, error.headers);
    }
    this.traffic.count(status);
  }

  #file(path, response) {
    const name = path === "/" ? "index.html" : normalize(path).slice(1);
    let bytes;
    try {
      bytes = readFileSync(join(this.folder, name));
    } catch {
      throw new Refused(404, "not_found", `There is no ${path}.`, "The page is at `/`.");
    }
    const cache = name.startsWith("assets/") ? "public, max-age=31536000, immutable" : "no-cache";
    send(response, 200, KINDS[extname(name)] ?? "application/octet-stream", bytes, { "cache-control": cache });
  }

  #answer(method, url, body) {
    const parts = url.pathname.split("/").slice(2).map(decodeURIComponent);
    const [first, of, then] = parts;
    const asked = (name, usual) => url.searchParams.get(name) ?? usual;
    const k = Math.min(Number(asked("k", 20)), 500);
    const { world } = this;
    switch (`${method} ${first}${of === undefined ? "" : "/*"}${then === undefined ? "" : `/${then}`}`) {
      case "GET users": {
        const query = asked("query", "").toLowerCase();
        const found = [...world.users].filter(([user]) => user.toLowerCase().includes(query)).slice(0, k);
        return { body: { users: found.map(([user_id, events]) => ({ user_id, events: events.length })) } };
      }
      case "GET users/*/history":
        return { body: { events: world.users.get(of) ?? [] } };
      case "DELETE users/*": {
        const events = world.users.get(of)?.length ?? 0;
        world.users.delete(of);
        return { body: { user_id: of, removed: { events, exposures: 2 * events }, left: 0, mark: "f-0001" } };
      }
      case "GET items": {
        const query = asked("query", "").toLowerCase();
        const found = world.items.filter((item) => `${item.title} ${item.item_id}`.toLowerCase().includes(query));
        return { body: { items: found.slice(0, k).map((item) => world.brief(item)) } };
      }
      case "GET items/*": {
        const { fields } = this.#item(of);
        const draw = (this.#row(of) * 7919) % 97;
        return { body: { ...world.brief(this.#item(of)), fields, events: { view: 40 + draw * 3, cart: 4 + (draw % 13), buy: draw % 9 } } };
      }
      case "GET items/*/image": {
        const item = this.#item(of);
        const name = String(item.looks);
        if (!this.pictures.has(name)) this.pictures.set(name, picture(...item.looks));
        return { kind: "image/png", bytes: this.pictures.get(name) };
      }
      case "GET items/*/related":
        return { body: this.#list("", world.nearest(this.#row(of), k).map(({ row, distance }, place) => ({
          ...world.brief(world.itemAt(row)), rank: place + 1, score: Number(Math.exp(-distance).toFixed(4)), reasons: [],
        }))) };
      case "GET items/*/graph":
        return { body: graph(world, this.#item(of)) };
      case "POST recommendations": {
        const history = body.history ?? world.users.get(body.user_id) ?? [];
        const fallback = history.length ? "" : "popular";
        return { body: { ...this.#list(fallback, recommend(world, { k: 10, ...body, history })), user_id: body.user_id ?? null } };
      }
      case "POST events":
        return { status: 202, body: this.#append(body.events) };
      case "POST attention":
        return { body: attention(world, body.history) };
      case "GET map":
        return { body: { count: NUM_POINTS, categories: world.categories, points: "/v1/map/points" } };
      case "GET map/*":
        return of === "points" ? this.#points() : { body: this.#mapItems(url.searchParams) };
      case "GET model":
        return { body: this.model };
      case "POST model":
        if (!String(body.run).startsWith("runs/")) {
          throw new Refused(409, "refused", `${body.run}: model.safetensors does not match its manifest.`, "Train it again, or copy it whole. The old model serves on.");
        }
        this.model = { ...this.model, run: body.run, version: `${body.run} (${new Date().toISOString().slice(0, 10)})`, since: new Date().toISOString() };
        return { body: this.model };
      case "GET report":
        return { body: this.report };
      case "GET experiments":
        return { body: { experiments: [...this.experiments.values()].map(({ days, ...rest }) => rest) } };
      case "PUT experiments/*":
        if (Math.abs(body.arms.reduce((sum, arm) => sum + arm.share, 0) - 1) > 1e-6) {
          throw new Refused(422, "shares", "The shares of the arms do not add up to 1.", "Give shares such as 0.5 and 0.5.");
        }
        this.#keep(of, body, 0);
        return { body: { name: of, ...body } };
      case "GET experiments/*/report": {
        const experiment = this.experiments.get(of);
        if (!experiment) throw new Refused(404, "unknown_experiment", `There is no experiment \`${of}\`.`, "See GET /v1/experiments.");
        return { body: experimentReport(experiment, experiment.days, of.length) };
      }
      case "GET traffic":
        return { body: this.traffic.report() };
      default:
        throw new Refused(404, "not_found", `There is no ${method} ${url.pathname}.`, "See /docs.");
    }
  }

  #row(id) {
    const row = this.world.rowOf(id);
    if (row === undefined) throw new Refused(404, "unknown_item", `There is no item \`${id}\`.`, "See GET /v1/items.");
    return row;
  }

  #item(id) {
    return this.world.itemAt(this.#row(id));
  }

  #list(fallback, items) {
    const { name, version } = this.model;
    const request_id = `r${this.requests.length}`;
    return { request_id, model: { name, version }, user_id: null, fallback, items, experiments: { "vine-against-pinsage": "vine" } };
  }

  #append(events) {
    const fresh = events.filter((event) => !this.seen.has(event.event_id));
    for (const event of fresh) {
      this.seen.add(event.event_id);
      const known = this.world.users.get(event.user_id) ?? [];
      this.world.users.set(event.user_id, [...known, event]);
    }
    this.traffic.happened(fresh.length);
    return { new: fresh.length, repeated: events.length - fresh.length };
  }

  #points() {
    const { xy, codes } = this.world.points;
    return { kind: "application/octet-stream", bytes: Buffer.concat([Buffer.from(xy.buffer), Buffer.from(codes.buffer)]) };
  }

  #mapItems(query) {
    const ids = query.getAll("item_id");
    const first = Number(query.get("first") ?? 0);
    const count = Math.min(Number(query.get("count") ?? 1000), NUM_POINTS - first);
    const rows = ids.length
      ? ids.map((id) => this.world.rowOf(id)).filter((row) => row !== undefined)
      : Array.from({ length: count }, (_, place) => first + place);
    return { items: rows.map((row) => ({ item_id: this.world.idAt(row), title: this.world.itemAt(row).title, row })) };
  }
}

async function read(request) {
  const chunks = [];
  for await (const chunk of request) chunks.push(chunk);
  return chunks.length ? JSON.parse(Buffer.concat(chunks).toString("utf8")) : {};
}

function send(response, status, kind, bytes, headers = {}) {
  response.writeHead(status, { ...HEADERS, "content-type": kind, "cache-control": "no-store", ...headers });
  response.end(bytes);
}
