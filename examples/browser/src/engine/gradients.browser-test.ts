import type { Attention } from "@kvtuner/backend";
import { backward, blobSource, FloatAttention, forward, loadDecoder, openGguf, seededRandom } from "@kvtuner/decoder";
import embeddedModel from "@kvtuner/embedded-model/model.gguf?url";
import { expect, test } from "vitest";
import { wasmSessions } from "./sessions.ts";

const STEP = 0.03;

// Matrices of the model are in 8 bits: these are gradients through codes too.
test.each(["float32", "stored-int8"] as const)(
  "gradients of weights kept as %s are those of finite differences",
  async (weights) => {
    const createSession = await wasmSessions(1);
    const source = blobSource(await (await fetch(embeddedModel)).blob());
    const decoder = await loadDecoder(await openGguf(source), { createSession, weights });
    const random = seededRandom(1);
    const draw = (length: number): Float32Array => Float32Array.from({ length }, () => random() - 0.5);
    const text = Array.from({ length: 12 }, (_, index) => (index * 7 + 3) % decoder.vocabularySize);
    const slopes = draw(text.length * decoder.vocabularySize);

    /** The product of the logits with `slopes` after moving the attention output of a layer. */
    const product = async (layer: number, direction: Float32Array, step: number): Promise<number> => {
      const attention = new FloatAttention(decoder.shape, decoder.attention);
      const moved: Attention = {
        attend: async (index, query, key, value) => {
          const output = await attention.attend(index, query, key, value);
          const numbers = output.data as Float32Array;
          if (index === layer) numbers.forEach((x, place) => (numbers[place] = x + step * direction[place]!));
          return output;
        },
      };
      const residual = await forward(decoder, text, [...text.keys()], moved);
      const logits = (await decoder.head(residual)).data as Float32Array;
      return logits.reduce((sum, logit, index) => sum + logit * slopes[index]!, 0);
    };

    const steps = backward({
      decoder,
      createSession,
      texts: [text],
      samples: 1,
      cotangent: ({ cotangent }) => cotangent.set(slopes),
    });
    for await (const { hole, output } of steps) {
      const size = Math.hypot(...output);
      // Along the gradient, the derivative is its size.
      const direction = output.map((x) => x / size);
      const rise = (await product(hole, direction, STEP)) - (await product(hole, direction, -STEP));
      expect(rise / (2 * STEP) / size, `hole ${hole}`).toBeCloseTo(1, 1);
    }
    await decoder.dispose();
  },
);
