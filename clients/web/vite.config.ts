import { defineConfig } from "vite";

// The daemon that `npm run dev` talks to.
const daemon = "http://127.0.0.1:8080";
const api = ["/v1", "/tokenize", "/detokenize", "/tokenizer_info", "/ready", "/health", "/metrics"];

export default defineConfig({
  appType: "mpa",
  build: {
    target: "es2022",
    // The policy of daemon/net/assets forbids inline scripts, so nothing may be inlined or polyfilled.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    minify: "terser", // 3 KB of the budget less than esbuild's
    reportCompressedSize: false,
    rollupOptions: {
      input: ["index.html", "label.html", "training.html", "policies.html"],
    },
  },
  server: {
    // changeOrigin alone leaves Origin, and the daemon refuses posts of a foreign one.
    proxy: Object.fromEntries(
      api.map((path) => [path, { target: daemon, changeOrigin: true, headers: { origin: daemon } }]),
    ),
  },
});
