import { svelte } from "@sveltejs/vite-plugin-svelte";
import { defineConfig } from "vite";

export default defineConfig({
  plugins: [svelte()],
  // Relative, so that the page works behind a proxy that serves it under a path of its own.
  base: "./",
  build: {
    outDir: "../src/grapevine/serving/page",
    emptyOutDir: true,
    target: "es2022",
    // The first with `light-dark()`, which would otherwise be written out twice.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    // Nothing becomes a `data:` address: `default-src 'self'` would not load it.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  // `npm run dev` beside `npm run mock`, or beside the service itself.
  server: { proxy: { "^/(v1|healthz|readyz|metrics)": "http://127.0.0.1:8000" } },
});
