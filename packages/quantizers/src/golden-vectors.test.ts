import { readFileSync } from "node:fs";
import type { AffineScheme } from "@kvtuner/plan";
import { describe, expect, it } from "vitest";
import { decodeBlock, encodeBlock } from "./block.ts";

interface Vectors {
  readonly name: string;
  readonly tokens: number;
  readonly headSize: number;
  readonly x: string;
  readonly cases: readonly (Pick<AffineScheme, "bits" | "format" | "axis" | "groupSize"> & EncodedCase)[];
}

interface EncodedCase {
  readonly codes: string;
  readonly scales: string;
  readonly minima: string;
  readonly decoded: string;
}

/** Made by tools/golden-vectors.py with NumPy. */
const vectors = JSON.parse(readFileSync(new URL("golden-vectors.json", import.meta.url), "utf8")) as Vectors[];

const bytes = (text: string): ArrayBuffer => Uint8Array.from(Buffer.from(text, "base64")).buffer;

describe.each(vectors)("NumPy's encoding of $name", ({ tokens, headSize, x, cases }) => {
  it.each(cases)("$bits bits, $format, axis $axis", (expected) => {
    const scheme: AffineScheme = { ...expected, kind: "affine", blockSize: tokens, transform: "none" };
    const encoded = encodeBlock(new Float32Array(bytes(x)), tokens, headSize, scheme);
    expect(encoded.codes).toEqual(new Uint8Array(bytes(expected.codes)));
    expect(encoded.scales).toEqual(new Uint16Array(bytes(expected.scales)));
    expect(encoded.minima ?? new Uint16Array(0)).toEqual(new Uint16Array(bytes(expected.minima)));
    const decoded = decodeBlock(encoded, tokens, headSize, scheme);
    expect(new Uint32Array(decoded.buffer)).toEqual(new Uint32Array(bytes(expected.decoded)));
  });
});
