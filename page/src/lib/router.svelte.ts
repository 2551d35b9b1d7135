// Which view is shown, and of what: all of it in the address, so that it can be linked.

import { hashOf, parse, type Route } from "./route";

export { hashOf } from "./route";

class Router {
  route: Route = $state.raw(parse(location.hash));
  /** How many addresses were gone to; one that was amended does not count. */
  visits = $state(0);

  constructor() {
    addEventListener("hashchange", () => {
      this.route = parse(location.hash);
      this.visits++;
    });
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
