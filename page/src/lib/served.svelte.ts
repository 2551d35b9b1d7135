// The model in service, known to every view.

import * as service from "../api/client";
import { Ask } from "./ask.svelte";
import type { Model } from "../api/types";

class Served {
  readonly ask = new Ask<Model>();

  refresh(): void {
    void this.ask.run(service.model);
  }

  /** What users can do, the target last; empty where the service does not say. */
  get behaviours(): string[] {
    return this.ask.answer?.behaviours ?? [];
  }
}

export const served = new Served();
