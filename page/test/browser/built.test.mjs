// What is served: small, and of this service alone.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";

const BUILT = fileURLToPath(new URL("../../../src/grapevine/serving/page", import.meta.url));
const files = readdirSync(BUILT, { recursive: true, withFileTypes: true })
  .filter((entry) => entry.isFile())
  .map((entry) => join(entry.parentPath, entry.name));
const text = (ending) => files.filter((file) => file.endsWith(ending)).map((file) => readFileSync(file, "utf8"));

test("all JavaScript together stays under 150 kB compressed", () => {
  const size = text(".js").reduce((sum, code) => sum + gzipSync(code).length, 0);
  assert.ok(size > 0 && size < 150_000, `${size} bytes`);
});

test("nothing inline, nothing from elsewhere", () => {
  const [html] = text(".html");
  assert.doesNotMatch(html, /<script(?![^>]*\ssrc="\.\/assets\/)|<style|\sstyle=|\son\w+=/);
  assert.doesNotMatch(html, /(src|href)="(?!\.\/)/);
  for (const css of text(".css")) assert.doesNotMatch(css, /url\((?!\.\/|"\.\/)|@import/);
  for (const code of text(".js")) {
    assert.doesNotMatch(code, /\beval\(|new Function\(/);
    const elsewhere = [...code.matchAll(/https?:\/\/[^\s"'`)]+/g)].map(([address]) => address);
    // Names of namespaces, and where a message of the library leads a reader to: none is loaded.
    const names = /^https?:\/\/(www\.w3\.org\/|svelte\.dev\/e\/)/;
    assert.deepEqual(elsewhere.filter((address) => !names.test(address)), []);
  }
});
