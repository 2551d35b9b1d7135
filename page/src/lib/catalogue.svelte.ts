// Items by ID, each asked for once: histories and graphs name items by their IDs alone.

import { SvelteMap } from "svelte/reactivity";

import * as service from "../api/client";
import type { Item } from "../api/types";

const AT_ONCE = 6;

class Catalogue {
  #known = new SvelteMap<string, Item>();
  #asked = new Set<string>();
  #queue: string[] = [];
  #running = 0;

  /** What is known of an item by now; its ID alone until more has come. */
  get(id: string): Item {
    return this.#known.get(id) ?? { item_id: id, title: id };
  }

  learn(items: readonly Item[]): void {
    for (const item of items) {
      const old = this.#known.get(item.item_id);
      if (!old || (item.image !== undefined && old.image === undefined)) {
        this.#known.set(item.item_id, item);
      }
    }
  }

  /** Ask for those that are not known. */
  want(ids: readonly string[]): void {
    for (const id of ids) {
      if (this.#asked.has(id) || this.#known.get(id)?.image !== undefined) continue;
      this.#asked.add(id);
      this.#queue.push(id);
    }
    while (this.#running < AT_ONCE && this.#queue.length > 0) void this.#next();
  }

  async #next(): Promise<void> {
    const id = this.#queue.shift();
    if (id === undefined) return;
    this.#running++;
    try {
      this.#known.set(id, await service.item(id));
    } catch {
      // An item that left the catalogue keeps its ID as its title; ask again when next wanted.
      this.#asked.delete(id);
    }
    this.#running--;
    void this.#next();
  }
}

export const catalogue = new Catalogue();
