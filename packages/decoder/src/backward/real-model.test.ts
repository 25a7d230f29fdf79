import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { InferenceSession } from "onnxruntime-node";
import { afterAll, describe, expect, test } from "vitest";
import { openFileSource } from "../gguf/file-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { loadDecoder } from "../load-decoder.ts";
import { segmentFolder } from "../segments/segment-folder.ts";
import type { CreateSession } from "../session.ts";
import { cachedModel } from "../test-support/cached-model.ts";
import { type GradientSummary, summaryCotangent, summaryErrors } from "../test-support/gradient-summary.ts";
import { backward } from "./backward.ts";

/** By PyTorch in double precision, from `tools/make-llama-gradients.py`. */
interface Fixture {
  readonly ids: readonly number[];
  readonly gradients: GradientSummary;
}

const folder = mkdtempSync(join(tmpdir(), "kvtuner-backward-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const createSession: CreateSession<Uint8Array | string> = async (model, options) =>
  InferenceSession.create(model as string, {
    enableCpuMemArena: false,
    extra: {
      session: {
        disable_prepacking: "1",
        ...(options?.weightsFolder !== undefined && {
          model_external_initializers_file_folder_path: options.weightsFolder,
        }),
      },
    },
  });

const models = {
  embedded: fileURLToPath(new URL("../../../embedded-model/model.gguf", import.meta.url)),
  smollm2: cachedModel("smollm2"),
};

describe.each(Object.entries(models))("%s (SmolLM2 needs `npm run model -- smollm2`)", (name, path) => {
  test.skipIf(!path)("gradients equal those of PyTorch's autograd", { timeout: 120_000 }, async () => {
    const { ids, gradients } = JSON.parse(
      readFileSync(new URL(`../fixtures/gradients/${name}.json`, import.meta.url), "utf8"),
    ) as Fixture;
    const source = await openFileSource(path!);
    const decoder = await loadDecoder(await openGguf(source), {
      createSession,
      segmentFiles: segmentFolder(join(folder, name), createSession),
      residentSegments: 1,
    });
    const width = decoder.vocabularySize;
    const weights = summaryCotangent(ids.length, width);
    const errors: number[] = [];
    for await (const found of backward({
      decoder,
      createSession,
      texts: [ids],
      samples: 1,
      cotangent: ({ first, logits, cotangent }) =>
        cotangent.set(weights.subarray(first * width, first * width + logits.length)),
    }))
      errors.push(...Object.values(summaryErrors(found, gradients)));
    await decoder.dispose();
    await source.close();
    expect(errors.length).toBe(5 * decoder.shape.layers);
    expect(Math.max(...errors)).toBeLessThan(1e-4);
  });
});
