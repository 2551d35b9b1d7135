// Every call that the page makes. Nothing but the service itself is ever asked.

import { keyring } from "../lib/key.svelte";
import type * as api from "./types";

/** A call that failed, in the service's own words where it had any. */
export class Fault extends Error {
  constructor(
    message: string,
    readonly hint: string,
    readonly code: string,
    readonly status: number,
    /** Seconds to wait, where the service said so. */
    readonly retryAfter: number | null = null,
  ) {
    super(message);
  }
}

/** The address of a path such as `v1/model`, wherever the page itself is served from. */
export function address(path: string): string {
  return new URL(path.replace(/^\//, ""), document.baseURI).href;
}

/** The address of a picture, or null where it is missing or not the service's own. */
export function ownAddress(image: string | null | undefined): string | null {
  if (!image) return null;
  if (!URL.canParse(image, document.baseURI)) return null;
  const own = image.startsWith("/") && !image.startsWith("//");
  const url = new URL(own ? address(image) : image, document.baseURI);
  return url.origin === location.origin && url.protocol.startsWith("http") ? url.href : null;
}

type Query = Record<string, string | number | boolean | string[] | undefined>;

interface Options {
  query?: Query;
  body?: unknown;
  signal?: AbortSignal;
}

export async function request(method: string, path: string, options: Options = {}): Promise<Response> {
  const url = new URL(address(path));
  for (const [name, value] of Object.entries(options.query ?? {})) {
    for (const one of Array.isArray(value) ? value : [value]) {
      if (one !== undefined && one !== "") url.searchParams.append(name, String(one));
    }
  }
  const headers: Record<string, string> = { accept: "application/json" };
  if (keyring.key) headers.authorization = `Bearer ${keyring.key}`;
  if (options.body !== undefined) headers["content-type"] = "application/json";
  const body = options.body === undefined ? null : JSON.stringify(options.body);
  let response: Response;
  try {
    response = await fetch(url, { method, headers, body, signal: options.signal ?? null });
  } catch (error) {
    if (options.signal?.aborted) throw error;
    throw new Fault("The service does not answer.", "Is `grapevine serve` still running?", "offline", 0);
  }
  if (response.ok) return response;
  throw await faultOf(response);
}

async function faultOf(response: Response): Promise<Fault> {
  const wait = Number(response.headers.get("retry-after") ?? Number.NaN);
  const told = (await response.json().catch(() => null)) as Partial<api.ServiceError> | null;
  const error = told?.error;
  if (response.status === 401 || response.status === 403) keyring.asked = true;
  return new Fault(
    error?.message ?? `The service answered ${response.status} ${response.statusText}.`,
    error?.hint ?? (response.status === 401 ? "Give an API key." : ""),
    error?.code ?? String(response.status),
    response.status,
    Number.isFinite(wait) ? wait : null,
  );
}

async function json<T>(method: string, path: string, options?: Options): Promise<T> {
  return (await request(method, path, options)).json() as Promise<T>;
}

const id = encodeURIComponent;

export const users = (query = "", k = 50, signal?: AbortSignal) =>
  json<api.Users>("GET", "v1/users", { query: { k, query }, signal });

export const history = (user: string, signal?: AbortSignal) =>
  json<api.History>("GET", `v1/users/${id(user)}/history`, { signal });

export const forget = (user: string) => json<api.Forgotten>("DELETE", `v1/users/${id(user)}`);

export const items = (query: string, k = 24, signal?: AbortSignal) =>
  json<api.Items>("GET", "v1/items", { query: { query, k }, signal });

export const item = (item: string, signal?: AbortSignal) =>
  json<api.ItemDetail>("GET", `v1/items/${id(item)}`, { signal });

export const related = (item: string, k = 10, signal?: AbortSignal) =>
  json<api.Answer>("GET", `v1/items/${id(item)}/related`, { query: { k }, signal });

export const graph = (item: string, signal?: AbortSignal) =>
  json<api.WalkGraph>("GET", `v1/items/${id(item)}/graph`, { signal });

export const recommend = (question: api.Question, signal?: AbortSignal) =>
  json<api.Answer>("POST", "v1/recommendations", { body: question, signal });

export const attention = (history: api.Heard[], signal?: AbortSignal) =>
  json<api.Attention>("POST", "v1/attention", { body: { history }, signal });

export const mapHead = (signal?: AbortSignal) => json<api.MapHead>("GET", "v1/map", { signal });

export const mapItems = (first: number, count: number, signal?: AbortSignal) =>
  json<api.MapItems>("GET", "v1/map/items", { query: { first, count }, signal });

export const mapRows = (ids: string[], signal?: AbortSignal) =>
  json<api.MapItems>("GET", "v1/map/items", { query: { item_id: ids }, signal });

export const mapPoints = async (path: string, signal?: AbortSignal) =>
  (await request("GET", path, { signal })).arrayBuffer();

export const model = (signal?: AbortSignal) => json<api.Model>("GET", "v1/model", { signal });

export const swap = (run: string) => json<api.Model>("POST", "v1/model", { body: { run } });

export const report = (signal?: AbortSignal) => json<api.Report>("GET", "v1/report", { signal });

export const experiments = (signal?: AbortSignal) =>
  json<api.Experiments>("GET", "v1/experiments", { signal });

export const putExperiment = (name: string, experiment: api.NewExperiment) =>
  json<unknown>("PUT", `v1/experiments/${id(name)}`, { body: experiment });

export const endExperiment = (name: string) => json<unknown>("DELETE", `v1/experiments/${id(name)}`);

export const experimentReport = (name: string, signal?: AbortSignal) =>
  json<api.ExperimentReport>("GET", `v1/experiments/${id(name)}/report`, { signal });

export const traffic = (signal?: AbortSignal) => json<api.Traffic>("GET", "v1/traffic", { signal });

/**
 * Send events, again where the service is busy: it counts each `event_id` once, so that repeating
 * is safe.
 */
export async function send(events: api.NewEvent[]): Promise<api.Appended> {
  for (let attempt = 0; ; attempt++) {
    try {
      return await json<api.Appended>("POST", "v1/events", { body: { events } });
    } catch (error) {
      const again = error instanceof Fault && (error.status === 503 || error.status === 0);
      if (!again || attempt === 2) throw error;
      await new Promise((done) => setTimeout(done, 1000 * Math.min(error.retryAfter ?? 1, 5)));
    }
  }
}
