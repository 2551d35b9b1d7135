// What is asked for beside the user: how many, which behaviour, filters and rules.

import type { Question } from "../../api/types";
import { packWords, unpackWords } from "../../lib/route";

export class Settings {
  k = $state(10);
  behaviour = $state("");
  categories: string[] = $state.raw([]);
  inStock = $state(false);
  least: number | null = $state(null);
  most: number | null = $state(null);
  diversity = $state(0);
  calibration = $state(0);
  why = $state(true);

  get filtered(): number {
    return this.categories.length + Number(this.inStock) + Number(this.least !== null) + Number(this.most !== null);
  }

  get ruled(): number {
    return Number(this.diversity > 0) + Number(this.calibration > 0);
  }

  /** The part of the question that is told here; what is not set is left out. */
  get question(): Question {
    const price = {
      ...(this.least === null ? {} : { least: this.least }),
      ...(this.most === null ? {} : { most: this.most }),
    };
    const filters = {
      ...(this.categories.length > 0 ? { category: this.categories } : {}),
      ...(this.inStock ? { in_stock: true } : {}),
      ...(Object.keys(price).length > 0 ? { price } : {}),
    };
    const rules = {
      ...(this.diversity > 0 ? { diversity: this.diversity } : {}),
      ...(this.calibration > 0 ? { calibration: this.calibration } : {}),
    };
    return {
      k: this.k,
      why: this.why,
      ...(this.behaviour ? { behaviour: this.behaviour } : {}),
      ...(Object.keys(filters).length > 0 ? { filters } : {}),
      ...(Object.keys(rules).length > 0 ? { rules } : {}),
    };
  }

  get query(): Record<string, string> {
    const text = (value: number | null) => (value === null || value === 0 ? "" : String(value));
    return {
      k: this.k === 10 ? "" : String(this.k),
      behaviour: this.behaviour,
      category: packWords(this.categories),
      in_stock: this.inStock ? "true" : "",
      least: text(this.least),
      most: text(this.most),
      diversity: text(this.diversity),
      calibration: text(this.calibration),
      why: this.why ? "" : "false",
    };
  }

  read(query: URLSearchParams): void {
    const number = (name: string) => {
      const text = query.get(name);
      return text !== null && text !== "" && Number.isFinite(Number(text)) ? Number(text) : null;
    };
    this.k = Math.min(50, Math.max(1, Math.round(number("k") ?? 10)));
    this.behaviour = query.get("behaviour") ?? "";
    this.categories = unpackWords(query.get("category") ?? "");
    this.inStock = query.get("in_stock") === "true";
    this.least = number("least");
    this.most = number("most");
    this.diversity = Math.min(1, Math.max(0, number("diversity") ?? 0));
    this.calibration = Math.min(1, Math.max(0, number("calibration") ?? 0));
    this.why = query.get("why") !== "false";
  }
}
