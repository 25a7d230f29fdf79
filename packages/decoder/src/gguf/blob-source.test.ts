import { fc, test } from "@fast-check/vitest";
import { expect } from "vitest";
import { blobSource } from "./blob-source.ts";
import { bufferSource } from "./byte-source.ts";

test.prop([fc.uint8Array({ maxLength: 200 }), fc.nat(200), fc.nat(200)])(
  "a blob and its bytes in memory are the same source",
  async (bytes, a, b) => {
    const [blob, buffer] = [blobSource(new Blob([Uint8Array.from(bytes)])), bufferSource(bytes)];
    const [from, to] = [a, b].map((place) => Math.min(place, bytes.length)).toSorted((x, y) => x - y) as [
      number,
      number,
    ];
    expect(blob.sizeBytes).toBe(buffer.sizeBytes);
    expect([...(await blob.read(from, to - from))]).toEqual([...(await buffer.read(from, to - from))]);
  },
);
