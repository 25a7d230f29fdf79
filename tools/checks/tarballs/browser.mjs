// Bundles the packages for browsers, and loads the bundle in a page.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { findChromium } from "../../browser.mjs";
import { browserPackages } from "../dependency-direction.mjs";
import { countedExports, importAll } from "./modules.mjs";
import { write } from "./project.mjs";

/** Packages that import nothing of Node, and those that get what they need of it from their caller. */
const specifiers = [
  ...browserPackages,
  ...["backend", "backend-cpu", "backend-webgpu", "decoder"].map((name) => `@kvtuner/${name}`),
];

const bundlers = {
  vite: async ({ folder }) => {
    const { build } = await import("vite");
    const rolldownOptions = { input: join(folder, "page.js"), output: { entryFileNames: "page.js" } };
    const options = { outDir: join(folder, "vite"), target: "esnext", rolldownOptions };
    await build({ root: folder, configFile: false, logLevel: "error", build: options });
    return join(folder, "vite/page.js");
  },
  esbuild: async ({ folder }) => {
    const { build } = await import("esbuild");
    const outfile = join(folder, "esbuild/page.js");
    const options = { bundle: true, minify: true, format: "esm", platform: "browser", logLevel: "error" };
    await build({ absWorkingDir: folder, entryPoints: ["page.js"], outfile, ...options });
    return outfile;
  },
};

/** Bundles a page and opens it. It must have every export that Node sees, and run the kernels. */
export const loadInBrowser = async (project, bundler) => {
  const { imports, counts } = countedExports(specifiers);
  const page = `${imports}import { createCpuBackend } from "@kvtuner/backend-cpu";
globalThis.loaded = createCpuBackend().then(({ name }) => ({ name, exports: ${counts} }));\n`;
  write(project, "page.js", page);
  const bundle = readFileSync(await bundlers[bundler](project), "utf8");
  const chromium = findChromium();
  if (chromium === undefined) return "bundled; no Chromium to load it in";
  const { name, exports } = await open(chromium, bundle);
  const inNode = await importAll(project, process.execPath);
  const differing = specifiers.filter((specifier) => exports[specifier] !== inNode[specifier]);
  if (name !== "cpu" || differing.length > 0) throw new Error(`the page lacks exports of ${differing.join(", ")}`);
};

const ADDRESS = "http://localhost/";

const open = async (executablePath, bundle) => {
  const { chromium } = await import("playwright");
  const browser = await chromium.launch({ executablePath, args: ["--no-sandbox"] });
  try {
    const page = await browser.newPage();
    const faults = [];
    page.on("pageerror", (error) => faults.push(error.message));
    page.on("console", (message) => message.type() === "error" && faults.push(message.text()));
    await page.route(`${ADDRESS}**`, (route) => route.fulfill(answerTo(route.request().url(), bundle)));
    await page.goto(ADDRESS);
    const loaded = await page.evaluate(() => globalThis.loaded);
    if (faults.length > 0 || !loaded) throw new Error(`the page reports: ${faults.join("; ") || "nothing loaded"}`);
    return loaded;
  } finally {
    await browser.close();
  }
};

const answerTo = (url, bundle) =>
  url.endsWith("/page.js")
    ? { contentType: "text/javascript", body: bundle }
    : {
        contentType: "text/html",
        body: '<link rel="icon" href="data:,"><script type="module" src="/page.js"></script>',
      };
