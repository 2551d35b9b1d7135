// What the service says over HTTP: every shape that the page reads or sends, and nothing else.
// A field with `?` may be left out by the service; the page then does without it.

export interface ServiceError {
  error: { code: string; message: string; hint?: string | null; where?: string | null };
}

// --- items and users -----------------------------------------------------------------------------

export interface Item {
  item_id: string;
  title: string;
  category?: string | null;
  price?: number | null;
  /** Address of the picture; only one of the service's own is loaded. */
  image?: string | null;
}

export interface ItemDetail extends Item {
  fields: Record<string, unknown>;
  /** Behaviour to how often. */
  events: Record<string, number>;
}

export interface Items {
  items: Item[];
}

export interface Users {
  users: { user_id: string; events: number }[];
}

/** An event as the service keeps it. */
export interface StoredEvent {
  event_id: string;
  user_id: string;
  item_id: string;
  behaviour: string;
  /** Milliseconds since 1970. */
  timestamp: number | null;
}

export interface History {
  events: StoredEvent[];
}

export interface NewEvent extends StoredEvent {
  timestamp: number;
  /** The list that it was clicked in. */
  request_id?: string;
}

export interface Appended {
  new: number;
  repeated: number;
}

export interface Forgotten {
  user_id: string;
  /** Table to rows removed. */
  removed: Record<string, number>;
  /** What a second look found: 0. */
  left: number;
  mark: string;
}

// --- recommendations -----------------------------------------------------------------------------

export interface Heard {
  item_id: string;
  behaviour?: string;
  timestamp?: number;
}

export interface Filters {
  category?: string[];
  in_stock?: boolean;
  price?: { least?: number; most?: number };
  exclude?: string[];
}

export interface Rules {
  /** 0 to 1: how much likeness to what is already in the list counts against an item. */
  diversity?: number;
  /** 0 to 1: how much the list's categories must look like those of the history. */
  calibration?: number;
}

export interface Question {
  user_id?: string;
  history?: Heard[];
  filters?: Filters;
  rules?: Rules;
  k: number;
  behaviour?: string;
  why?: boolean;
}

export interface Reason {
  kind: string;
  text: string;
  items?: { item_id: string; title: string; share: number }[];
}

export interface Recommended extends Item {
  rank: number;
  score: number;
  reasons?: Reason[];
}

export interface Answer {
  request_id: string;
  model: { name: string; version: string };
  user_id?: string | null;
  /** How a stranger was answered; empty where the model itself answered. */
  fallback: string;
  items: Recommended[];
  /** Experiment to arm. */
  experiments?: Record<string, string>;
}

// --- inside the model ----------------------------------------------------------------------------

export interface Attention {
  items: { item_id: string; title: string }[];
  /** Layer, head, listener (row), heard (column). */
  layers: number[][][][];
}

export interface WalkGraph {
  /** `id` is unique in the graph: an item's is its ID; a user's `title` is the user's ID. */
  nodes: { id: string; kind: "item" | "user"; title: string }[];
  /** `weight`: the share of the source's walks that met the target. */
  edges: { source: string; target: string; weight: number }[];
  /** Whether the model itself listens along these walks; else they were made for the drawing. */
  learnt?: boolean;
}

export interface MapHead {
  count: number;
  /** By the code that the points carry. */
  categories: string[];
  /** Address of the points: float32 x, y for each, then uint16 category, little-endian. */
  points: string;
}

export interface MapItems {
  /** `row` is the item's place among the points; asked for by `item_id`, it is needed. */
  items: { item_id: string; title: string; row?: number }[];
}

export interface Model {
  name: string;
  version: string;
  run: string;
  /** When it came into service: ISO 8601, or milliseconds since 1970. */
  since: string | number;
  metrics: Record<string, number | Estimate>;
  /** What users can do, in the order of the cascade; the last is the target. */
  behaviours?: string[];
}

// --- report --------------------------------------------------------------------------------------

export interface Estimate {
  mean: number | null;
  low: number | null;
  high: number | null;
}

export interface RunResult {
  run: string;
  model: string;
  /** For whom this is what is possible; empty for a model that competes. */
  bound?: string;
  seeds: number[];
  metrics: Record<string, Estimate>;
  train_seconds: number | null;
  evaluate_seconds: number | null;
}

export interface Comparison {
  a: string;
  b: string;
  metric: string;
  difference: number;
  low: number;
  high: number;
  p_holm: number;
}

export interface SliceResult {
  by: string;
  group: string;
  queries: number;
  runs: { run: string; metrics: Record<string, Estimate> }[];
}

export interface Report {
  protocol: Record<string, string | number | boolean | null>;
  runs: RunResult[];
  comparisons: Comparison[];
  slices?: SliceResult[];
  baseline?: string;
  primary?: string;
  warnings?: string[];
}

// --- experiments ---------------------------------------------------------------------------------

export interface Arm {
  name: string;
  /** Of the experiment's users, 0 to 1; all arms together 1. */
  share: number;
  /** The run that answers this arm; the one in service where left out. */
  run?: string | null;
}

export interface NewExperiment {
  layer: string;
  salt: string;
  arms: Arm[];
  metric: string;
  /** Of the layer's users, 0 to 1. */
  share_of_layer?: number;
  /** From a user's first list on, in which what they do counts; 0: for ever. */
  window_days?: number;
}

export interface Experiment extends NewExperiment {
  name: string;
  since?: string | number;
  /** When it ended; null of one that runs. */
  ended?: string | number | null;
}

export interface Experiments {
  experiments: Experiment[];
}

/** One arm against the first, at one moment; the interval holds whenever one looks. */
export interface Effect {
  arm: string;
  /** Null as long as too few users say nothing. */
  difference: number | null;
  low: number | null;
  high: number | null;
  /** Always-valid p-value. */
  p?: number | null;
}

export interface ExperimentReport {
  name: string;
  metric: string;
  /** What it found, in a sentence; also where nothing is found yet. */
  verdict: string;
  /** Whose days that count are over, and who has been shown something and waits for that. */
  window: { days: number | null; users: number; waiting: number };
  arms: { name: string; share: number; users: number; mean: number | null; low: number | null; high: number | null }[];
  /** Whether the users fell to the arms as designed: below 0.001 nothing else can be trusted. */
  sample_ratio: { p: number; ok: boolean };
  effects: Effect[];
  over_time: { at: string | number; users: number; effects: Effect[] }[];
}

// --- traffic -------------------------------------------------------------------------------------

/** One entry a second, the last one newest. */
export interface Traffic {
  /** Seconds since 1970. */
  seconds: number[];
  requests: number[];
  errors: number[];
  p50_ms: (number | null)[];
  p99_ms: (number | null)[];
  events: number[];
}
