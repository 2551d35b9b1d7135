// The API key: kept for this tab alone, and gone when it closes.

const NAME = "grapevine-key";

class Keyring {
  key = $state(sessionStorage.getItem(NAME) ?? "");
  /** Whether the service has asked for a key, or for a better one. */
  asked = $state(false);

  keep(key: string): void {
    this.key = key.trim();
    this.asked = false;
    if (this.key) sessionStorage.setItem(NAME, this.key);
    else sessionStorage.removeItem(NAME);
  }
}

export const keyring = new Keyring();
