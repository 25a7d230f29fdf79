import { readFileSync } from "node:fs";
import { InferenceSession, Tensor } from "onnxruntime-node";
import { describe, expect, test } from "vitest";
import { FloatAttention } from "./attention/float-attention.ts";
import { forward } from "./forward.ts";
import { openFileSource } from "./gguf/file-source.ts";
import { openGguf } from "./gguf/gguf.ts";
import { loadDecoder } from "./load-decoder.ts";
import { cachedModel } from "./test-support/cached-model.ts";

/** Logits by PyTorch `transformers` in double precision, from `tools/make-gemma3-logits.py`. */
interface Fixture {
  readonly ids: readonly number[];
  readonly rows: readonly {
    readonly position: number;
    /** The eight likeliest, then a sample of all. */
    readonly tokens: readonly number[];
    readonly logits: readonly number[];
  }[];
}

const path = cachedModel("gemma3-270m");

describe.skipIf(!path)("Gemma 3 270M (needs `npm run model -- gemma3-270m`)", () => {
  test("logits equal those of transformers, beyond the span too", { timeout: 120_000 }, async () => {
    const { ids, rows } = JSON.parse(
      readFileSync(new URL("fixtures/gemma3-270m.json", import.meta.url), "utf8"),
    ) as Fixture;
    const source = await openFileSource(path!);
    const decoder = await loadDecoder(await openGguf(source), {
      createSession: (graph) => InferenceSession.create(graph, { enableCpuMemArena: false }),
      maxHeadBytes: 2 ** 27,
    });
    const attention = new FloatAttention(decoder.shape, decoder.attention);
    const { data } = await forward(decoder, ids, [...ids.keys()], attention);
    const width = decoder.config.hiddenSize;
    const chosen = Float32Array.from(
      rows.flatMap(({ position }) => [...(data as Float32Array).subarray(position * width, (position + 1) * width)]),
    );
    const logits = (await decoder.head(new Tensor("float32", chosen, [rows.length, width]))).data as Float32Array;
    const differences = rows.flatMap(({ tokens, logits: expected }, row) =>
      tokens.map((token, index) => Math.abs(logits[row * decoder.vocabularySize + token]! - expected[index]!)),
    );
    await decoder.dispose();
    await source.close();
    expect(differences.length).toBe(rows.length * (8 + 27));
    expect(Math.max(...differences)).toBeLessThan(1e-3);
  });
});
