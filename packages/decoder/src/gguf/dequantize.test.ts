import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { bufferSource } from "./byte-source.ts";
import { openGguf } from "./gguf.ts";
import { writeGguf } from "./test-support/write-gguf.ts";

interface Vector {
  readonly typeId: number;
  readonly stored: string;
  readonly values: string;
}

/** Made once by tools/make-dequantize-vectors.py. */
const fixtures = JSON.parse(readFileSync(new URL("fixtures/dequantize.json", import.meta.url), "utf8")) as {
  readonly vectors: Readonly<Record<string, Vector>>;
};

const bytes = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, "base64"));

test.for(Object.entries(fixtures.vectors))("%s reads as gguf.quants reads it", async ([name, vector]) => {
  const expected = new Float32Array(bytes(vector.values).buffer);
  const width = expected.length;
  const tensor = { name: "x", dims: [width], typeId: vector.typeId, data: bytes(vector.stored) };
  const file = await openGguf(bufferSource(writeGguf({ metadata: {}, tensors: [tensor] })));
  expect(file.tensors.get("x")?.type).toBe(name);
  expect(await file.readTensor("x")).toEqual(expected);
});

test.for(Object.entries(fixtures.vectors))("rows of %s are rows of the whole tensor", async ([, vector]) => {
  const stored = bytes(vector.stored);
  const width = bytes(vector.values).length / 4;
  const data = new Uint8Array([...stored, ...stored.map((byte) => byte ^ 1)]);
  const tensor = { name: "x", dims: [width, 2], typeId: vector.typeId, data };
  const file = await openGguf(bufferSource(writeGguf({ metadata: {}, tensors: [tensor] })));
  const whole = await file.readTensor("x");
  const rows = await file.readTensorRows("x", [1, 0, 1]);
  expect(rows).toEqual(
    Float32Array.of(...whole.subarray(width), ...whole.subarray(0, width), ...whole.subarray(width)),
  );
});
