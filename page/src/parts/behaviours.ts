import type { IconName } from "./Icon.svelte";

const ICONS: Record<string, IconName> = { view: "view", click: "view", cart: "cart", buy: "tick", collect: "plus" };

export const iconOf = (behaviour: string): IconName => ICONS[behaviour] ?? "dot";
