// One question to the service and what came of it: waiting, an answer, or a fault.

import { Fault } from "../api/client";

export class Ask<T> {
  answer: T | undefined = $state.raw();
  fault: Fault | undefined = $state.raw();
  waiting = $state(false);
  #abort: AbortController | undefined;

  /** Ask; an older question still under way is given up. The last answer stays until the next. */
  async run(question: (signal: AbortSignal) => Promise<T>): Promise<void> {
    this.#abort?.abort();
    const abort = new AbortController();
    this.#abort = abort;
    this.waiting = true;
    try {
      const answer = await question(abort.signal);
      if (abort.signal.aborted) return;
      this.answer = answer;
      this.fault = undefined;
    } catch (error) {
      if (abort.signal.aborted) return;
      this.fault = error instanceof Fault ? error : new Fault(String(error), "", "page", 0);
    }
    this.waiting = false;
  }

  clear(): void {
    this.#abort?.abort();
    this.answer = undefined;
    this.fault = undefined;
    this.waiting = false;
  }
}
