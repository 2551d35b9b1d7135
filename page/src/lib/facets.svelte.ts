// The categories there are, asked for once.

import * as service from "../api/client";
import { Ask } from "./ask.svelte";

export const categories = new Ask<string[]>();

export function wantCategories(): void {
  if (categories.answer || categories.waiting) return;
  void categories.run(async (signal) => {
    try {
      return (await service.mapHead(signal)).categories;
    } catch {
      // No map was made of this run: what some of the items say will do.
      const { items } = await service.items("", 100, signal);
      return [...new Set(items.map((item) => item.category ?? "").filter(Boolean))].sort();
    }
  });
}
