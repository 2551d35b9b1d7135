// Which view is shown, and of what: all of it in the address, so that it can be linked.
// `#/item/i%2F17?tab=graph` is view "item" of "i/17" with { tab: "graph" }.

export interface Route {
  view: string;
  /** What the view is of: an item, an experiment; empty for none. */
  of: string;
  query: URLSearchParams;
}

export function parse(hash: string): Route {
  const [path = "", query = ""] = splitOnce(hash.replace(/^#\/?/, ""), "?");
  const [view = "", of = ""] = splitOnce(path, "/");
  return { view: view || "try", of: decode(of), query: new URLSearchParams(query) };
}

export function hashOf(view: string, of = "", query: Record<string, string> = {}): string {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ""));
  const tail = asked.size > 0 ? `?${asked}` : "";
  return `#/${view}${of ? `/${encodeURIComponent(of)}` : ""}${tail}`;
}

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A hand-written address with a lone `%`: taken as it stands.
    return text;
  }
}

class Router {
  route: Route = $state.raw(parse(location.hash));

  constructor() {
    addEventListener("hashchange", () => (this.route = parse(location.hash)));
  }

  go(view: string, of = "", query: Record<string, string> = {}): void {
    location.hash = hashOf(view, of, query);
  }

  /** Change the address without a step in the browser's history: for choices within a view. */
  amend(query: Record<string, string>): void {
    const hash = hashOf(this.route.view, this.route.of, query);
    if (hash === location.hash) return;
    history.replaceState(null, "", hash);
    this.route = parse(hash);
  }
}

export const router = new Router();
