import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { loadDecoder, loadTokenizer, openGguf, type Decoder } from "@kvtuner/decoder";
import { openFileSource, type FileSource } from "@kvtuner/decoder/node";
import { parseShorthand } from "@kvtuner/plan";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openBackend } from "../src/model/backend.ts";
import { kvtunerHome } from "../src/model/home.ts";
import { createSession } from "../src/model/session.ts";
import { evaluatorLogits, largestDifference, runtimeLogits } from "./runtime-logits.ts";

const path = join(kvtunerHome(), "models", "smollm2.gguf");
const prose = join(import.meta.dirname, "../../../docs/architecture.md");

/** Texts just long enough for the slow reference that both keys and values are read quantized; longer ones for the kernels. */
const CASES: readonly [backend: string, plan: string, tokens: number, cuts: readonly number[]][] = [
  ["cpu-reference", "per-token:K4V4", 40, [24, 25, 26, 27]],
  ["cpu-reference", "kivi:K4V2", 80, [70, 71, 72, 73]],
  ["cpu-reference", "compact:K4V3", 180, [64, 160, 170, 171, 172]],
  ["cpu", "per-token:K4V4", 400, [256, 300, 301, 302]],
  ["cpu", "kivi:K4V2", 400, [64, 256, 390, 391, 392]],
  ["cpu", "compact:K4V3", 400, [290, 291, 292, 293, 294, 295]],
];

/** Largest differences of logits, and of keys and values; the kernels' attention may be off by 1e-3 of the largest output. */
const TOLERANCE: Readonly<Record<string, number>> = { "cpu-reference": 1e-4, cpu: 1e-2 };

describe.skipIf(!existsSync(path))("SmolLM2's runtime against its evaluator (needs npm run model -- smollm2)", () => {
  let source: FileSource;
  let decoder: Decoder;
  let ids: Int32Array;

  beforeAll(async () => {
    source = await openFileSource(path);
    const file = await openGguf(source);
    decoder = await loadDecoder(file, { createSession });
    ids = loadTokenizer(file).encode(readFileSync(prose, "utf8"));
  }, 120_000);

  afterAll(async () => {
    await decoder?.dispose();
    await source?.close();
  });

  test.each(CASES)(
    "on %s, %s: the same logits at %i tokens, split at %j",
    { timeout: 300_000 },
    async (name, plan, tokens, cuts) => {
      const { backend } = await openBackend(name, { threads: 1 });
      const text = ids.slice(0, tokens);
      const layers = Array.from({ length: decoder.shape.layers }, () => parseShorthand(plan).layer);
      const expected = await evaluatorLogits(decoder, text, layers);
      const cache = await backend.createCache(decoder.shape, { layers, shape: decoder.shape });
      const run = await runtimeLogits(decoder, cache, text, cuts, expected);
      await backend.dispose();
      expect(largestDifference(run.logits, expected.logits)).toBeLessThan(TOLERANCE[name] ?? 0);
      expect(run.largestDifference).toBeLessThan(TOLERANCE[name] ?? 0);
    },
  );
});
