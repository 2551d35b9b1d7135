// Addresses of views: `#/item/i%2F17?tab=graph` is view "item" of "i/17" with { tab: "graph" }.

import type { Heard } from "../api/types";

export interface Route {
  view: string;
  /** What the view is of: an item, an experiment; empty for none. */
  of: string;
  query: URLSearchParams;
}

export function parse(hash: string): Route {
  const [path = "", query = ""] = splitOnce(hash.replace(/^#\/?/, ""), "?");
  const [view = "", of = ""] = splitOnce(path, "/");
  return { view: view || "try", of: decode(of), query: new URLSearchParams(query) };
}

export function hashOf(view: string, of = "", query: Record<string, string> = {}): string {
  const asked = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== ""));
  const tail = asked.size > 0 ? `?${asked}` : "";
  return `#/${view}${of ? `/${encodeURIComponent(of)}` : ""}${tail}`;
}

/** Words in one parameter, whatever letters they hold. */
export const packWords = (words: readonly string[]): string => words.map(encodeURIComponent).join(",");

export const unpackWords = (text: string): string[] => text.split(",").filter(Boolean).map(decode);

/** A history in one parameter: `item~behaviour,item~behaviour`. */
export const packHistory = (history: readonly Heard[]): string =>
  history.map(({ item_id, behaviour = "" }) => [item_id, behaviour].map(tilde).join("~")).join(",");

export function unpackHistory(text: string): Heard[] {
  return text
    .split(",")
    .filter(Boolean)
    .map((part) => {
      const [item_id = "", behaviour = ""] = part.split("~").map(decode);
      return { item_id, ...(behaviour ? { behaviour } : {}) };
    });
}

const tilde = (word: string): string => encodeURIComponent(word).replaceAll("~", "%7E");

function splitOnce(text: string, mark: string): [string, string] {
  const at = text.indexOf(mark);
  return at < 0 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    // A hand-written address with a lone `%`: taken as it stands.
    return text;
  }
}
