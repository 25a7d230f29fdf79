import { mkdtempSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TunableModel } from "@kvtuner/tuning";
import { afterEach, describe, expect, test, vi } from "vitest";
import { fakeModel } from "../test-support/fake-model.ts";
import { cachedOwnText } from "./cached-own-text.ts";

const OPTIONS = { samples: 2, sampleLength: 20, seed: 1 };

const sample = async (): Promise<{ samples: Int32Array[]; samplings: number; warnings: string[] }> => {
  const fake = fakeModel();
  const continuations = vi.fn<TunableModel["continuations"]>(fake.continuations.bind(fake));
  const warnings: string[] = [];
  const run = { progress: () => undefined, warn: (message: string) => void warnings.push(message) };
  const model = { ...fake, continuations, identity: { ...fake.identity, sha256: "ab" } };
  const samples = await cachedOwnText(model, OPTIONS, run);
  return { samples, samplings: continuations.mock.calls.length, warnings };
};

afterEach(() => vi.unstubAllEnvs());

describe("cachedOwnText", () => {
  test("samples once, and again when the file is damaged", async () => {
    const home = mkdtempSync(join(tmpdir(), "kvtuner-home-"));
    vi.stubEnv("KVTUNER_HOME", home);
    const first = await sample();
    expect(first).toMatchObject({ samplings: 1, warnings: [] });
    expect(await sample()).toEqual({ ...first, samplings: 0 });
    const file = join(home, "own-text", readdirSync(join(home, "own-text"))[0] ?? "");
    const whole = readFileSync(file, "utf8");
    for (const damaged of ["", "{}", "[[1, 2]]", "null", whole.slice(0, -9), whole.replace(/\d/, "-")]) {
      writeFileSync(file, damaged);
      expect(await sample()).toEqual(first);
      expect(readFileSync(file, "utf8")).toBe(whole);
    }
  });

  test.each(["/proc/kvtuner-home", join(import.meta.filename, "home")])(
    "a home at %s that cannot be written is a warning",
    async (home) => {
      vi.stubEnv("KVTUNER_HOME", home);
      const { samples, warnings } = await sample();
      expect(samples).toHaveLength(2);
      expect(warnings).toEqual([expect.stringContaining(home)]);
    },
  );
});
