import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium, type Page } from "playwright";
import { build, preview } from "vite";
import { afterAll, beforeAll } from "vitest";

/** The example page, built and served. */
export interface ServedPage {
  readonly url: string;
  close(): Promise<void>;
}

const root = fileURLToPath(new URL("../../../examples/browser", import.meta.url));

/** Builds the example page into a folder of its own, and serves it. */
export const serveExamplePage = async (): Promise<ServedPage> => {
  const outDir = mkdtempSync(join(tmpdir(), "kvtuner-page-"));
  await build({ root, logLevel: "warn", build: { outDir, emptyOutDir: true } });
  const server = await preview({
    root,
    logLevel: "warn",
    build: { outDir },
    preview: { host: "127.0.0.1", port: 0 },
  });
  return {
    url: server.resolvedUrls?.local[0] ?? "",
    close: async () => {
      await server.close();
      rmSync(outDir, { recursive: true, force: true });
    },
  };
};

/** A browser that shows the example page. */
export interface ExampleBrowser {
  newContext(options?: BrowserContextOptions): Promise<BrowserContext>;
  /** Opens the page. Adds warnings and errors of its console, and failed requests, to `complaints`. */
  open(context: BrowserContext, complaints: string[]): Promise<Page>;
}

/** Serves the page and runs a browser during the tests of a file. */
export const exampleBrowser = (): ExampleBrowser => {
  let server: ServedPage;
  let browser: Browser;
  beforeAll(async () => {
    server = await serveExamplePage();
    browser = await chromium.launch({ executablePath: process.env["KVTUNER_CHROMIUM"] ?? "", args: ["--no-sandbox"] });
  });
  afterAll(async () => {
    await browser?.close();
    await server?.close();
  });
  return {
    newContext: (options) => browser.newContext(options),
    open: async (context, complaints) => {
      const page = await context.newPage();
      page.setDefaultTimeout(100_000);
      collectComplaints(page, complaints);
      await page.goto(server.url);
      await page.getByText("6 layers").waitFor();
      return page;
    },
  };
};

const collectComplaints = (page: Page, complaints: string[]): void => {
  page.on("console", (message) => {
    if (["warning", "error"].includes(message.type())) complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  page.on("requestfailed", (request) => complaints.push(request.url()));
  page.on("response", (response) => response.ok() || complaints.push(`${response.status()} ${response.url()}`));
};
