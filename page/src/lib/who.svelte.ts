// Whom the page asks for: a user of the service, or a history that is made up by clicking. Shared by
// the views, so that a history built in one can be looked at in another.

import * as service from "../api/client";
import type { Heard, History, NewEvent } from "../api/types";
import { Ask } from "./ask.svelte";
import { catalogue } from "./catalogue.svelte";
import { packHistory, unpackHistory } from "./route";

export type Mode = "user" | "own";

/** The service takes at most so many. */
const MOST = 500;
/** An empty history in the address: no item is called so, since none has a bare `~`. */
const NOTHING = "~";

class Who {
  mode: Mode = $state("user");
  user = $state("");
  own: Heard[] = $state.raw([]);
  readonly stored = new Ask<History>();

  /** What happened, the newest last. */
  get history(): Heard[] {
    if (this.mode === "own") return this.own;
    // The service tells the latest first.
    return (this.stored.answer?.events ?? []).toReversed().map(({ item_id, behaviour, timestamp }) => ({
      item_id,
      behaviour,
      ...(timestamp === null ? {} : { timestamp }),
    }));
  }

  get chosen(): boolean {
    return this.mode === "own" || this.user !== "";
  }

  choose(user: string): void {
    this.mode = "user";
    if (user === this.user && this.stored.answer) return;
    this.user = user;
    this.stored.clear();
    void this.reload();
  }

  async reload(): Promise<void> {
    if (this.user === "") return;
    await this.stored.run((signal) => service.history(this.user, signal));
  }

  add(item_id: string, behaviour: string): void {
    this.own = [...this.own, { item_id, behaviour, timestamp: Date.now() }].slice(-MOST);
  }

  remove(place: number): void {
    this.own = this.own.filter((_, other) => other !== place);
  }

  /** Tell the service what the user did; their history holds it once this is done. */
  async did(item_id: string, behaviour: string, request_id: string): Promise<void> {
    const event: NewEvent = {
      event_id: newId(),
      user_id: this.user,
      item_id,
      behaviour,
      timestamp: Date.now(),
      request_id,
    };
    await service.send([event]);
    await this.reload();
  }

  // --- in the address ---------------------------------------------------------------------------

  get query(): Record<string, string> {
    if (this.mode === "user") return { user: this.user };
    return { items: packHistory(this.own) || NOTHING };
  }

  read(query: URLSearchParams): void {
    const items = query.get("items");
    const user = query.get("user");
    if (items !== null) {
      this.mode = "own";
      this.own = unpackHistory(items === NOTHING ? "" : items);
      catalogue.want(this.own.map(({ item_id }) => item_id));
    } else if (user) this.choose(user);
  }
}

/** Random, and the same for every repetition of one click. `randomUUID` needs HTTPS or localhost. */
function newId(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export const who = new Who();
