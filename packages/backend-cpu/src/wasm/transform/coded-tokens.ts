import { decodeToken, loadToken, ropeAngles, storeToken, type TransformBlock } from "@kvtuner/quantizers";
import { TILE_TOKENS } from "../layer-record.ts";
import type { PackedTensor, TokenRange } from "../packed-tensor.ts";
import type { Records, RecordsOfHead } from "../records.ts";
import type { HeadCoder } from "./coder.ts";
import { readToken, writeToken } from "./planes.ts";

/** Encodes exact tokens of the codec `transform`, counted after the sinks. */
export const encodeTokens = (records: Records, { from, to }: TokenRange): void => {
  const { arena, layer, tensor, scratch } = records;
  const isValue = Number(tensor.kind === "value");
  for (let start = from; start < to;) {
    const end = Math.min(to, (Math.floor(start / TILE_TOKENS) + 1) * TILE_TOKENS);
    writeAngles(records, start, end - start);
    arena.kernels.encodeTransform(layer, isValue, tensor.encoder, start, end, scratch);
    start = end;
  }
};

/** Cosines, then sines, by which RoPE turned the tokens, at the start of the scratch. */
const writeAngles = ({ arena, tensor, scratch }: Records, from: number, count: number): void => {
  const { rope } = headsOf(tensor)[0]!.token.tables;
  if (!rope) return;
  const { cosines, sines } = ropeAngles(rope.frequencies, tensor.sinks + from, count);
  arena.floats.set(cosines, scratch / 4);
  arena.floats.set(sines, scratch / 4 + cosines.length);
};

/** Coded tokens, counted after the sinks: float32 `[tokens, headSize]`. */
export const decodedRows = ({ arena, tensor }: Records, head: number, { from, to }: TokenRange): Float32Array => {
  const coder = headsOf(tensor)[head]!;
  const rows = new Float32Array((to - from) * tensor.headSize);
  for (let token = from; token < to; token++) {
    readToken(arena.bytes, recordOf(tensor, token), token % TILE_TOKENS, coder);
    decodeToken(coder.token, rows, (token - from) * tensor.headSize, tensor.sinks + token);
  }
  return rows;
};

/** Copies the codes of some tokens between their records and a block that begins with the first of them. */
export const copyBlock = (
  { arena, tensor, head }: RecordsOfHead,
  { from, to }: TokenRange,
  block: TransformBlock,
  way: "read" | "write",
): void => {
  const coder = headsOf(tensor)[head]!;
  const { bytes } = arena;
  for (let token = from; token < to; token++) {
    const record = recordOf(tensor, token);
    if (way === "read") {
      readToken(bytes, record, token % TILE_TOKENS, coder);
      storeToken(coder.token, block, token - from);
    } else {
      loadToken(coder.token, block, token - from);
      writeToken(bytes, record, token % TILE_TOKENS, coder);
    }
  }
};

const headsOf = ({ coder }: PackedTensor): readonly HeadCoder[] => coder!.heads;

const recordOf = (tensor: PackedTensor, token: number): number => tensor.record(0, Math.floor(token / TILE_TOKENS));
