import { holesOf } from "@kvtuner/plan";
import { unrotate } from "@kvtuner/quantizers";
import { expect, test } from "vitest";
import { backward } from "./backward/backward.ts";
import { bufferSource } from "./gguf/byte-source.ts";
import { openGguf } from "./gguf/gguf.ts";
import { layerRopes } from "./layer-ropes.ts";
import { loadDecoder } from "./load-decoder.ts";
import { familyGguf, familyModel } from "./test-support/family-model.ts";
import { oneThreadSession as createSession } from "./test-support/one-thread-session.ts";

// One table, two tables, a part of the channels, layers without RoPE.
test.each(["llama", "gemma3", "qwen35", "smollm3", "granite.without-rope"])(
  "RoPE of %s turns keys as the decoder's tables do",
  async (name) => {
    const model = familyModel(name);
    const source = await openGguf(bufferSource(familyGguf(model)));
    const decoder = await loadDecoder(source, { createSession, ...model.options });
    const ropes = layerRopes(decoder);
    expect(ropes).toHaveLength(decoder.shape.layers);
    const cotangent = ({ cotangent: rows }: { cotangent: Float32Array }): void => {
      for (const index of rows.keys()) rows[index] = Math.sin(index);
    };
    const options = { decoder, createSession, texts: [model.ids], samples: 1, cotangent };
    for await (const { hole, key, keyBeforeRope } of backward(options)) {
      const rope = ropes[holesOf(decoder.shape)[hole]!.layer];
      const { kvHeads, headSize } = decoder.shape;
      const turned = Float32Array.from(key!);
      for (let head = 0; head < turned.length; head += headSize)
        if (rope)
          unrotate(turned.subarray(head, head + headSize), headSize, Math.floor(head / (kvHeads * headSize)), rope);
      const largest = Math.max(...turned.map(Math.abs));
      for (const [index, number] of keyBeforeRope!().entries())
        expect(Math.abs(turned[index]! - number)).toBeLessThanOrEqual(1e-5 * largest);
    }
    await decoder.dispose();
  },
);
