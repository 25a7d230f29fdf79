import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { bufferSource } from "../gguf/byte-source.ts";
import { openGguf } from "../gguf/gguf.ts";
import { tinyModel } from "../gguf/test-support/tiny-model.ts";
import { textStream } from "./text-stream.ts";
import { loadTokenizer } from "./tokenizer.ts";

const sizes = {
  layers: 1,
  hiddenSize: 32,
  heads: 1,
  kvHeads: 1,
  feedForward: 32,
  vocabulary: 260,
  seed: 1,
  tied: true,
};
const tokenizer = loadTokenizer(await openGguf(bufferSource(tinyModel({ architecture: "llama", ...sizes }))));

/** Every token of the tiny model except the words is a byte, so characters are split everywhere. */
test.prop([fc.string({ unit: "binary" })])(
  "text comes whole, in whole characters, as soon as it is complete",
  (text) => {
    const ids = tokenizer.encode(text);
    const stream = textStream(tokenizer);
    let streamed = "";
    for (const [index, id] of ids.entries()) {
      const fresh = stream.push(id);
      if (!text.includes("\uFFFD")) expect(fresh).not.toContain("\uFFFD");
      streamed += fresh;
      const bytes = tokenizer.decode(ids.subarray(0, index + 1));
      if (!bytes.endsWith("\uFFFD")) expect(streamed).toBe(bytes);
    }
    expect(streamed + stream.end()).toBe(tokenizer.decode(ids));
  },
);

test.prop([fc.array(fc.nat(259), { maxLength: 20 })])("any tokens give what decoding them at once gives", (ids) => {
  const stream = textStream(tokenizer);
  const streamed = ids.map((id) => stream.push(id)).join("");
  expect(streamed + stream.end()).toBe(tokenizer.decode(ids));
});
