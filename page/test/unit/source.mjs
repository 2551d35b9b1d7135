// The page's TypeScript, as a test can import it.

import { runnerImport } from "vite";

export const source = async (path) =>
  (await runnerImport(new URL(`../../src/${path}`, import.meta.url).pathname, { configFile: false, logLevel: "error" })).module;
