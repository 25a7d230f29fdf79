import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { tinyModel } from "../gguf/test-support/tiny-model.ts";
import { loadDecoder } from "../load-decoder.ts";
import { externalGraph } from "../onnx/external-data.ts";
import type { SegmentFiles } from "./segment-files.ts";
import { SEGMENT_FORMAT } from "./segment-folder.ts";

/** Raise `SEGMENT_FORMAT` with every change here: users have segments of the older version on their disks. */
const FORMAT = { version: 1, sha256: "51a88d57730592493494c56b219bf5f0a86b8bb31f310119fc0aabed4edb2589" };

test("the segments of an unchanged model are those of this version of the format", async () => {
  const hash = createHash("sha256");
  const unopened = async (): Promise<never> => Promise.reject(new Error("not opened"));
  const segmentFiles: SegmentFiles = {
    write: async (name, build) => {
      const { model, parts } = externalGraph(await build(), "data");
      hash.update(name).update(model);
      for (const { offset, read } of parts) hash.update(String(offset)).update(await read());
    },
    read: unopened,
    open: unopened,
  };
  for (const architecture of ["llama", "qwen2"] as const) {
    const sizes = { layers: 1, hiddenSize: 256, heads: 4, kvHeads: 2, feedForward: 256, vocabulary: 260, tied: true };
    const matrixTypes = [2, 3, 6, 7, 8, 10, 11, 12, 13, 14, 20, 23, 39, 0];
    const file = await openGguf(bufferSource(tinyModel({ ...sizes, architecture, matrixTypes, seed: 1 })));
    for (const weights of ["float32", "stored-int8"] as const)
      await expect(
        loadDecoder(file, { createSession: unopened, weights, segmentFiles, residentSegments: 1 }),
      ).rejects.toThrow("not opened");
  }
  expect({ version: SEGMENT_FORMAT, sha256: hash.digest("hex") }).toEqual(FORMAT);
});
