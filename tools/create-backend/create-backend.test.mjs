import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installed, root, run } from "../workspace.mjs";
import { createBackendPackage } from "./create-backend.mjs";

const folder = join(mkdtempSync(join(tmpdir(), "create-backend-")), "made");

/** Replaces `npm install`: links the packages of this checkout and their dependencies. */
const install = () => {
  const packages = ["backend", "plan", "quantizers"].map((name) => [`@kvtuner/${name}`, `packages/${name}`]);
  const others = ["onnxruntime-common", "fast-check", "vitest"].map((name) => [
    name,
    `packages/backend/node_modules/${name}`,
  ]);
  for (const [name, from] of [...packages, ...others]) {
    const link = join(folder, "node_modules", name);
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(root, from), link);
  }
};

const config = `
const conditions = ["@kvtuner/source", "module", "node", "development|production"];
export default { ssr: { resolve: { conditions } }, resolve: { conditions } };
`;

describe("a package made by create-backend", () => {
  beforeAll(() => {
    createBackendPackage("my-gpu", folder);
    install();
    writeFileSync(join(folder, "vitest.config.mjs"), config);
  });
  afterAll(() => rmSync(dirname(folder), { recursive: true }));

  test("has the name and versions everywhere", () => {
    const manifest = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
    expect(manifest.name).toBe("kvtuner-backend-my-gpu");
    const versions = Object.values({ ...manifest.dependencies, ...manifest.devDependencies });
    expect(versions.filter((version) => !/^\^\d+\.\d+\.\d+/.test(version))).toEqual([]);
    expect(readFileSync(join(folder, "src/index.ts"), "utf8")).toContain("createMyGpuBackend");
    expect(readFileSync(join(folder, "src/my-gpu-backend.ts"), "utf8")).not.toMatch(/example/i);
  });

  test("passes tsc", async () => {
    const { code, output } = await run(
      installed("typescript/bin/tsc", "-p", folder, "--noEmit", "--customConditions", "@kvtuner/source"),
      { output: "capture" },
    );
    expect(output).toBe("");
    expect(code).toBe(0);
  });

  test("passes its own tests", async () => {
    const vitest = installed("vitest/vitest.mjs", "run", "--root", folder, "--reporter=json");
    const { output } = await run(vitest, { output: "capture" });
    const report = JSON.parse(output.slice(output.indexOf("{")));
    expect(report.numFailedTests).toBe(0);
    expect(report.numPassedTests).toBeGreaterThan(20);
  });

  test.each(["My-GPU", "", undefined, "../x"])("is not made under the name %s", (name) => {
    expect(() => createBackendPackage(name, join(folder, "new"))).toThrow(/kebab-case/);
  });

  test("is not made in a folder that has files", () => {
    expect(() => createBackendPackage("other", folder)).toThrow(/new or empty/);
  });
});
