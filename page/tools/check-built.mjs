// Whether the committed page is what the source builds: build anew, and compare byte by byte.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";

import { build } from "vite";

const root = fileURLToPath(new URL("..", import.meta.url));
const committed = join(root, "../src/grapevine/serving/page");

/** Path to content, of all files below a folder. */
function contents(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = entries.map((entry) => join(entry.parentPath, entry.name));
  return new Map(paths.map((path) => [relative(folder, path), readFileSync(path)]));
}

const fresh = mkdtempSync(join(tmpdir(), "grapevine-page-"));
try {
  await build({ root, logLevel: "warn", build: { outDir: fresh } });
  const [here, there] = [contents(committed), contents(fresh)];
  const names = [...new Set([...here.keys(), ...there.keys()])].sort();
  const stale = names.filter((name) => !here.get(name)?.equals(there.get(name) ?? Buffer.alloc(0)));
  for (const name of stale) {
    const state = !there.has(name) ? "is not built any more" : !here.has(name) ? "is missing" : "differs";
    console.error(`${name} ${state}`);
  }
  if (stale.length > 0) {
    console.error("hint: run `npm run build` in page/ and commit src/grapevine/serving/page");
    process.exitCode = 1;
  } else console.log(`${names.length} files are what the source builds`);
} finally {
  rmSync(fresh, { recursive: true });
}
