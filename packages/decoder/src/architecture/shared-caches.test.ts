import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { familyGguf, familyModel } from "../test-support/family-model.ts";
import { modelKeys } from "./model-keys.ts";
import { readConfig } from "./read-config.ts";
import { readCacheOf } from "./shared-caches.ts";

const read = (shared: unknown, slides: readonly boolean[]): number[] =>
  readCacheOf(modelKeys(new Map([["llama.attention.shared_kv_layers", shared]]), "llama"), slides, false);

const models = fc
  .array(fc.boolean(), { minLength: 1, maxLength: 12 })
  .chain((slides) => fc.tuple(fc.constant(slides), fc.nat(slides.length - 1)));

test.prop([models])(
  "a layer without a cache reads that of the last one of its kind, or there is none",
  ([slides, shared]) => {
    const owners = slides.slice(0, slides.length - shared);
    const isSound = slides.every((kind) => owners.includes(kind));
    if (!isSound) {
      expect(() => read(shared, slides)).toThrow(/to leave a cache for (sliding|full) layers/);
      return;
    }
    for (const [layer, stored] of read(shared, slides).entries()) {
      if (layer < owners.length) expect(stored).toBe(layer);
      else expect([owners[stored], owners.slice(stored + 1).includes(slides[layer]!)]).toEqual([slides[layer], false]);
    }
  },
);

test.each([3, 4, 0.5, -1, "one"])("%s layers of three without a cache are refused", (shared) => {
  expect(() => read(shared, [true, false, true])).toThrow(
    expect.objectContaining({ code: "MODEL_METADATA_INVALID", message: expect.stringContaining("shared_kv_layers") }),
  );
});

test("recurrent layers share no cache", async () => {
  const lfm2 = familyModel("lfm2");
  const cacheOf = async (shared: number): Promise<readonly number[]> => {
    const metadata = { ...lfm2.metadata, "lfm2.attention.shared_kv_layers": shared };
    return readConfig(await openGguf(bufferSource(familyGguf({ ...lfm2, metadata })))).cacheOf;
  };
  await expect(cacheOf(0)).resolves.toEqual([0, 1, 2, 3, 4, 5]);
  for (const shared of [1, 2])
    await expect(cacheOf(shared)).rejects.toMatchObject({
      code: "MODEL_METADATA_INVALID",
      message: expect.stringMatching(/shared_kv_layers to be 0 .* recurrent layers, got [12];/) as unknown,
    });
});
