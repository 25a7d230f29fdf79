import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import type { Backend } from "@kvtuner/backend";
import { createReferenceBackend } from "@kvtuner/backend-cpu";
import { loadDecoder, loadTokenizer, openGguf, type Decoder } from "@kvtuner/decoder";
import { openFileSource, type FileSource } from "@kvtuner/decoder/node";
import { parseShorthand } from "@kvtuner/plan";
import { afterAll, beforeAll, describe, expect, test } from "vitest";

import { kvtunerHome } from "../src/model/home.ts";
import { createSession } from "../src/model/session.ts";
import { evaluatorLogits, largestDifference, runtimeLogits } from "./runtime-logits.ts";

const path = join(kvtunerHome(), "models", "smollm2.gguf");
const prose = join(import.meta.dirname, "../../../docs/architecture.md");

/** Plans, with texts just long enough that both keys and values are read quantized. */
const PLANS: readonly [plan: string, tokens: number, cuts: readonly number[]][] = [
  ["per-token:K4V4", 40, [24, 25, 26, 27]],
  ["kivi:K4V2", 80, [70, 71, 72, 73]],
  ["compact:K4V3", 180, [64, 160, 170, 171, 172]],
];

describe.skipIf(!existsSync(path))("SmolLM2's runtime against its evaluator (needs npm run model -- smollm2)", () => {
  let source: FileSource;
  let decoder: Decoder;
  let ids: Int32Array;
  const backend: Backend = createReferenceBackend();

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

  test.each(PLANS)(
    "%s: the same logits at %i tokens, split at %j",
    { timeout: 300_000 },
    async (plan, tokens, cuts) => {
      const text = ids.slice(0, tokens);
      const layers = Array.from({ length: decoder.shape.layers }, () => parseShorthand(plan).layer);
      const expected = await evaluatorLogits(decoder, text, layers);
      const cache = await backend.createCache(decoder.shape, { layers, shape: decoder.shape });
      const run = await runtimeLogits(decoder, cache, text, cuts, expected);
      expect(largestDifference(run.logits, expected.logits)).toBeLessThan(1e-4);
      expect(run.largestDifference).toBeLessThan(1e-4);
      expect(run.ties).toBeLessThan(0.01 * expected.layers.reduce((sum, { key }) => sum + 2 * key.length, 0));
      await cache.dispose();
    },
  );
});
