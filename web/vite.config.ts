import { readFile, readdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { promisify } from "node:util";
import { brotliCompress, constants, gzip } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

// Where `npm run dev` finds a running service.
const service = process.env["LECTERN_SERVICE"] ?? "http://127.0.0.1:8090";

export default defineConfig({
  plugins: [react(), compressed()],
  build: {
    // Our policy of contents allows no data: in scripts and styles.
    assetsInlineLimit: 0,
    // What others wrote goes out with their notices.
    license: { fileName: "licenses.txt" },
    // Those that know light-dark(): what it is put in place of for others is settled at the root, not where it is used.
    cssTarget: ["chrome123", "firefox120", "safari17.5"],
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    // The service takes calls of its own pages alone: those whose origin is the host that was called.
    proxy: Object.fromEntries(
      ["/api", "/readyz", "/metrics"].map((path) => [path, { target: service, changeOrigin: false }]),
    ),
  },
});

/**
 * Writes each text file compressed beside itself, so that the service need not do it for every reader. WebAssembly, which
 * only browsers read, it leaves in no other form.
 */
function compressed(): Plugin {
  return {
    name: "compressed",
    apply: "build",
    async writeBundle({ dir }) {
      if (dir === undefined) return;
      const names = await readdir(dir, { recursive: true });
      const texts = names.filter((name) => /\.(html|js|css|svg|txt|wasm|tflite)$/.test(name));
      await Promise.all(texts.map((name) => compress(join(dir, name))));
    },
  };
}

async function compress(path: string): Promise<void> {
  const bytes = await readFile(path);
  const quality = { params: { [constants.BROTLI_PARAM_QUALITY]: 11 } };
  await writeFile(`${path}.br`, await promisify(brotliCompress)(bytes, quality));
  await writeFile(`${path}.gz`, await promisify(gzip)(bytes, { level: 9 }));
  if (path.endsWith(".wasm")) await rm(path);
}
