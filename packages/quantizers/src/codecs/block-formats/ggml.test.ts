import { readFileSync } from "node:fs";
import { blockFormatScheme } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { decodeBlock, encodeBlock } from "../../block.ts";

/** Blocks of 32 numbers, encoded and decoded by ggml. Made by tools/ggml-vectors.py. */
const vectors = JSON.parse(readFileSync(new URL("ggml-vectors.json", import.meta.url), "utf8")) as Record<
  "q8_0" | "q5_1" | "q5_0" | "q4_1" | "q4_0" | "iq4_nl" | "mxfp4",
  { readonly blocks: string; readonly decoded: string }
> & { readonly x: string };

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => Uint8Array.from(Buffer.from(text, "base64"));
const floatsOf = (text: string): Float32Array => new Float32Array(bytesOf(text).buffer);

const x = floatsOf(vectors.x);
const BLOCKS = x.length / 32;

/** Zeros in place of the codes of a block with scale 0, which ggml's iq4_nl leaves unset. */
const withoutUnset = (blocks: Uint8Array, size: number): Uint8Array =>
  blocks.map((byte, index) => {
    const block = Math.floor(index / size) * size;
    return blocks[block] === 0 && blocks[block + 1] === 0 ? 0 : byte;
  });

describe.each(["q8_0", "q5_1", "q5_0", "q4_1", "q4_0", "iq4_nl"] as const)("%s", (format) => {
  const scheme = blockFormatScheme(format);
  const { blocks, decoded } = vectors[format];

  it("encodes as ggml, byte for byte", () => {
    const expected = bytesOf(blocks);
    const size = expected.length / BLOCKS;
    const encoded = encodeBlock(x, BLOCKS, 32, scheme).blocks as Uint8Array;
    const [got, wanted] = [encoded, expected].map((all) => (format === "iq4_nl" ? withoutUnset(all, size) : all));
    expect(got).toEqual(wanted);
  });

  it("decodes as ggml, bit for bit", () => {
    const numbers = decodeBlock({ blocks: bytesOf(blocks) }, BLOCKS, 32, scheme);
    expect(new Uint32Array(numbers.buffer)).toEqual(new Uint32Array(bytesOf(decoded).buffer));
  });
});

/** ggml rounds halves of MXFP4 down; the specification rounds them to even. The first eight blocks have halves. */
it("mxfp4 has ggml's numbers where none is halfway between two", () => {
  const scheme = blockFormatScheme("mxfp4");
  const [ours, theirs] = [
    decodeBlock(encodeBlock(x, BLOCKS, 32, scheme), BLOCKS, 32, scheme),
    floatsOf(vectors.mxfp4.decoded),
  ].map((numbers) => numbers.subarray(8 * 32));
  expect([...ours!.keys()].filter((index) => ours![index] !== theirs![index])).toEqual([]);
});
