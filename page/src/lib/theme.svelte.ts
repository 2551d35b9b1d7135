// Light or dark: as the system says, until somebody chooses.

export type Choice = "system" | "light" | "dark";

const NAME = "grapevine-theme";
const system = matchMedia("(prefers-color-scheme: dark)");

class Theme {
  choice: Choice = $state(read());
  #systemDark = $state(system.matches);
  readonly dark = $derived(this.choice === "system" ? this.#systemDark : this.choice === "dark");

  constructor() {
    system.addEventListener("change", () => (this.#systemDark = system.matches));
    this.#show();
  }

  choose(choice: Choice): void {
    this.choice = choice;
    localStorage.setItem(NAME, choice);
    this.#show();
  }

  #show(): void {
    document.documentElement.dataset.theme = this.choice;
  }
}

function read(): Choice {
  const kept = localStorage.getItem(NAME);
  return kept === "light" || kept === "dark" ? kept : "system";
}

export const theme = new Theme();

/** Whether movement is unwelcome. */
export const still = (): boolean => matchMedia("(prefers-reduced-motion: reduce)").matches;
