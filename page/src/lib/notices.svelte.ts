// Short messages that come and go: what was stored, what failed.

export interface Notice {
  id: number;
  text: string;
  bad: boolean;
}

const STAY_MS = 5000;

class Notices {
  list: Notice[] = $state([]);
  #next = 0;

  tell(text: string, bad = false): void {
    const id = this.#next++;
    this.list = [...this.list.slice(-2), { id, text, bad }];
    setTimeout(() => this.drop(id), bad ? 2 * STAY_MS : STAY_MS);
  }

  drop(id: number): void {
    this.list = this.list.filter((notice) => notice.id !== id);
  }
}

export const notices = new Notices();
