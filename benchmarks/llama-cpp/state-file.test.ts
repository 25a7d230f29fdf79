import { expect, test } from "vitest";
import { repeatState } from "./state-file.ts";

const words = (...values: number[]): Buffer => Buffer.from(Uint32Array.from(values).buffer);
const MAGIC = 0x67677371;

/** A state of one layer, as llama.cpp writes it: keys in rows of 5 bytes. */
const state = (tokens: readonly number[], keys: string, values: Buffer, transposed: boolean): Buffer =>
  Buffer.concat([
    words(MAGIC, 3, tokens.length, ...tokens, 1, tokens.length),
    ...tokens.map((_, position) => words(position, 1, 0)),
    words(transposed ? 1 : 0, 1),
    words(8, 5, 0),
    Buffer.from(keys),
    values,
  ]);

test("cells repeat, positions continue; values in rows", () => {
  const values = (text: string): Buffer => Buffer.concat([words(2, 3, 0), Buffer.from(text)]);
  expect(repeatState(state([7, 8], "aaaaabbbbb", values("xxxyyy"), false), 5)).toEqual(
    state([7, 8, 7, 8, 7], "aaaaabbbbbaaaaabbbbbaaaaa", values("xxxyyyxxxyyyxxx"), false),
  );
});

test("the same with values transposed: each row repeats by itself", () => {
  const values = (text: string): Buffer => Buffer.concat([words(1, 2, 2), Buffer.from(text)]);
  expect(repeatState(state([7, 8], "aaaaabbbbb", values("ppqqrrss"), true), 3)).toEqual(
    state([7, 8, 7], "aaaaabbbbbaaaaa", values("ppqqpprrssrr"), true),
  );
});

test("a state of another version, cut short or too long is rejected", () => {
  const good = state([7], "aaaaa", Buffer.concat([words(2, 3, 0), Buffer.from("xxx")]), false);
  const other = Buffer.from(good);
  other.writeUInt32LE(4, 4);
  expect(() => repeatState(other, 2)).toThrow(/expected 3 as the version.*--fill text/);
  expect(() => repeatState(good.subarray(0, -1), 2)).toThrow(/more bytes/);
  expect(() => repeatState(Buffer.concat([good, words(1)]), 2)).toThrow(/bytes left/);
});
