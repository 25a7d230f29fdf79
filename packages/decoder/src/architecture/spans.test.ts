import { expect, test } from "vitest";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { familyGguf, familyModel } from "../test-support/family-model.ts";
import type { DecoderConfig } from "./config.ts";
import { readConfig } from "./read-config.ts";

const configWithSpan = async (name: string, key: string, span: number): Promise<DecoderConfig> => {
  const model = familyModel(name);
  const metadata = { ...model.metadata, [key]: span };
  return readConfig(await openGguf(bufferSource(familyGguf({ ...model, metadata }))));
};

test.each([
  ["gemma3", "gemma3.attention.sliding_window", [1, 1, 1, 1, 1, 0, 1]],
  ["olmo2.olmo3", "olmo2.attention.sliding_window", [1, 1, 1, 0, 1]],
])(
  "a span of the whole context in %s hides no token but keeps the RoPE of sliding layers",
  async (name, key, tables) => {
    for (const span of [512, 513]) {
      const { rope, spans } = await configWithSpan(name, key, span);
      expect(rope.tableOf).toEqual(tables);
      expect(spans).toEqual(tables.map(() => undefined));
    }
    const { rope, spans } = await configWithSpan(name, key, 511);
    expect(rope.tableOf).toEqual(tables);
    expect(spans).toEqual(tables.map((table) => (table === 1 ? 511 : undefined)));
    expect((await configWithSpan(name, key, 0)).rope.tableOf).toEqual(tables.map(() => 0));
  },
);
