import {
  decodeToken,
  encodeToken,
  float16FromNumber,
  loadToken,
  MAX_FLOAT16,
  numberFromFloat16,
  roundToFloat16,
  storeToken,
  type TransformBlock,
} from "@kvtuner/quantizers";
import type { Arena } from "../arena.ts";
import { TILE_TOKENS } from "../layer-record.ts";
import type { PackedTensor, TokenRange } from "../packed-tensor.ts";
import type { HeadCoder } from "./coder.ts";
import { readToken, writeToken } from "./planes.ts";

/** A tensor of the codec `transform`, and the memory that it is in. Tokens are counted after the sinks. */
export interface CodedPlace {
  readonly arena: Arena;
  readonly tensor: PackedTensor;
  readonly sinks: number;
}

/** Encodes exact tokens, whose rows are still there. */
export const encodeRows = (place: CodedPlace, { from, to }: TokenRange): void => {
  const { arena, tensor, sinks } = place;
  const row = new Float32Array(tensor.headSize);
  for (let token = from; token < to; token++)
    for (const [head, coder] of coders(place).entries()) {
      const start = tensor.rowIndex(head, sinks + token);
      for (let index = 0; index < row.length; index++) row[index] = numberFromFloat16(arena.halves[start + index]!);
      encodeToken(coder.token, row, 0, sinks + token);
      writeToken(arena.bytes, recordOf(place, token), token % TILE_TOKENS, coder);
    }
};

/** Decodes coded tokens into their exact rows, rounded to float16. */
export const decodeRows = (place: CodedPlace, { from, to }: TokenRange): void => {
  const { arena, tensor, sinks } = place;
  const row = new Float32Array(tensor.headSize);
  for (let token = from; token < to; token++)
    for (let head = 0; head < coders(place).length; head++) {
      decodeRow(place, head, token, row, 0);
      const start = tensor.rowIndex(head, sinks + token);
      for (let index = 0; index < row.length; index++) arena.halves[start + index] = float16FromNumber(row[index]!);
    }
};

/**
 * Tokens as they are read, rounded to float16: float32 `[tokens, kvHeads * headSize]`. Of those after the sinks, the first `coded` are
 * coded.
 *
 * @param range tokens of the sequence, sinks included
 */
export const readRows = (place: CodedPlace, { from, to }: TokenRange, coded: number): Float32Array => {
  const { arena, tensor, sinks } = place;
  const { headSize } = tensor;
  const heads = coders(place).length;
  const rows = new Float32Array((to - from) * heads * headSize);
  for (let token = from, at = 0; token < to; token++)
    for (let head = 0; head < heads; head++, at += headSize)
      if (token >= sinks && token < sinks + coded) decodeRow(place, head, token - sinks, rows, at);
      else {
        const start = tensor.rowIndex(head, token);
        for (let index = 0; index < headSize; index++)
          rows[at + index] = numberFromFloat16(arena.halves[start + index]!);
      }
  return rows;
};

/** Beyond the largest float16, numbers are cut off: a cache holds no infinity. */
const decodeRow = (place: CodedPlace, head: number, token: number, row: Float32Array, at: number): void => {
  const coder = coders(place)[head]!;
  readToken(place.arena.bytes, recordOf(place, token), token % TILE_TOKENS, coder);
  decodeToken(coder.token, row, at, place.sinks + token);
  for (let index = at; index < at + place.tensor.headSize; index++)
    row[index] = roundToFloat16(Math.max(-MAX_FLOAT16, Math.min(MAX_FLOAT16, row[index]!)));
};

/** Copies the codes of some tokens between their records and a block that begins with the first of them. */
export const copyBlock = (
  place: CodedPlace,
  head: number,
  { from, to }: TokenRange,
  block: TransformBlock,
  way: "read" | "write",
): void => {
  const coder = coders(place)[head]!;
  const { bytes } = place.arena;
  for (let token = from; token < to; token++) {
    const record = recordOf(place, token);
    if (way === "read") {
      readToken(bytes, record, token % TILE_TOKENS, coder);
      storeToken(coder.token, block, token - from);
    } else {
      loadToken(coder.token, block, token - from);
      writeToken(bytes, record, token % TILE_TOKENS, coder);
    }
  }
};

const coders = ({ tensor }: CodedPlace): readonly HeadCoder[] => tensor.coder!.heads;

const recordOf = ({ tensor }: CodedPlace, token: number): number => tensor.record(0, Math.floor(token / TILE_TOKENS));
