import { expect, test } from "vitest";
import { readConfig } from "./architecture/read-config.ts";
import { bufferSource } from "./gguf/byte-source.ts";
import { openGguf } from "./gguf/gguf.ts";
import { readPositions, type RowPositions } from "./row-positions.ts";
import { familyGguf, familyModel } from "./test-support/family-model.ts";

const positionsOf = async (
  name: string,
  contextLength?: number,
): Promise<(positions: ArrayLike<number>) => RowPositions> => {
  const source = await openGguf(bufferSource(familyGguf(familyModel(name))));
  return readPositions(source, readConfig(source, contextLength === undefined ? {} : { contextLength }));
};

const tooFar = expect.objectContaining({ code: "MODEL_ROPE_CONTEXT" }) as Error;

test("RoPE factors for short sequences refuse positions beyond them", async () => {
  for (const contextLength of [undefined, 64]) {
    const short = await positionsOf("phi3.short", contextLength);
    expect(short([0, 63]).tables).toHaveLength(1);
    expect(() => short([64])).toThrow(tooFar);
    expect(() => short([511, 0])).toThrow(tooFar);
  }
});

test("other RoPE takes any position", async () => {
  const long = await positionsOf("phi3.short", 65);
  expect(long([0, 64, 600]).tables).toHaveLength(1);
  const plain = await positionsOf("llama");
  expect(plain([0, 10_000]).tables).toHaveLength(1);
});
