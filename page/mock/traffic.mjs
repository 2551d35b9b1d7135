// Made-up traffic second by second, with what really came added on top.

import { stream } from "./world.mjs";

const KEPT = 120;

export class Traffic {
  #counts = new Map();

  #second(at = Math.floor(Date.now() / 1000)) {
    if (!this.#counts.has(at)) {
      const draw = stream(at);
      const wave = Math.sin(at / 19) + 0.6 * Math.sin(at / 7.3);
      const requests = Math.round(310 + 70 * wave + 40 * draw());
      const p50 = 1.3 + 0.25 * wave + 0.2 * draw();
      this.#counts.set(at, {
        requests,
        errors: draw() < 0.06 ? Math.ceil(4 * draw()) : 0,
        p50,
        p99: p50 * (3.6 + 2.2 * draw() ** 4),
        events: Math.round(requests * (0.11 + 0.03 * draw())),
      });
    }
    return this.#counts.get(at);
  }

  count(status) {
    const now = this.#second();
    now.requests++;
    if (status >= 500) now.errors++;
  }

  happened(events) {
    this.#second().events += events;
  }

  report() {
    // The second under way is left out: it is not whole yet.
    const last = Math.floor(Date.now() / 1000) - 1;
    const seconds = Array.from({ length: KEPT }, (_, place) => last - KEPT + 1 + place);
    const rows = seconds.map((at) => this.#second(at));
    for (const at of this.#counts.keys()) if (at < last - KEPT) this.#counts.delete(at);
    const column = (name) => rows.map((row) => row[name]);
    return {
      seconds,
      requests: column("requests"),
      errors: column("errors"),
      p50_ms: column("p50"),
      p99_ms: column("p99"),
      events: column("events"),
    };
  }
}
