import { type CallRows, readTransformRow, writeTransformRow } from "@kvtuner/backend";
import { decodeToken, encodeToken, MAX_FLOAT16, roundToFloat16 } from "@kvtuner/quantizers";
import { Commands } from "../device/commands.ts";
import type { Engine } from "../device/engine.ts";
import { PIECE_TOKENS } from "../device/workspace.ts";
import { eachBlock } from "./blocks.ts";
import type { CallCodes, CodedTokens } from "./call-codes.ts";
import type { GpuLayer, GpuTensor } from "./gpu-layer.ts";
import { readRing } from "./read-rows.ts";
import { firstBehind, packedTokens, type TensorFormat, type TokenRange } from "./tensor-format.ts";
import { type Work, workOn } from "./work.ts";

type Rows = Pick<CallRows, TensorFormat["kind"]>;

export const hasTransform = ({ key, value }: Pick<GpuLayer, "key" | "value">): boolean =>
  key.format.transform !== undefined || value.format.transform !== undefined;

/**
 * Encodes the tokens that a call of `tokens` tokens completes. The codec does it here, so that codes equal those of all backends: exact
 * rows that it needs are downloaded.
 *
 * @param rows keys and values of the call
 */
export const codesOfCall = async (engine: Engine, layer: GpuLayer, tokens: number, rows: Rows): Promise<CallCodes> => {
  const codes: CallCodes = {};
  for (const tensor of [layer.key, layer.value]) {
    const { format } = tensor;
    if (!format.transform) continue;
    const { length } = layer;
    const from = Math.max(packedTokens(format, length), firstBehind(format, length));
    const to = packedTokens(format, length + tokens);
    if (from < to) codes[format.kind] = await encodedTokens(engine, layer, tensor, { from, to }, rows[format.kind]);
  }
  return codes;
};

const encodedTokens = async (
  engine: Engine,
  layer: GpuLayer,
  tensor: GpuTensor,
  { from, to }: TokenRange,
  rows: Float32Array,
): Promise<CodedTokens> => {
  const { format } = tensor;
  const held = Math.max(from, Math.min(to, layer.length - format.sinks));
  const width = layer.shape.kvHeads * format.headSize;
  const exact = new Float32Array((to - from) * width);
  if (from < held) exact.set(await ringRows(engine, layer, tensor, { from, to: held }));
  const first = held + format.sinks - layer.length;
  exact.set(rows.subarray(first * width, (first + to - held) * width), (held - from) * width);
  return { from, to, words: encodedRows(format, exact, from) };
};

/** Downloads exact rows of tokens counted after the sinks, float32 `[tokens, kvHeads * headSize]`. */
const ringRows = async (
  engine: Engine,
  layer: GpuLayer,
  tensor: GpuTensor,
  { from, to }: TokenRange,
): Promise<Float32Array> => {
  const width = layer.shape.kvHeads * tensor.format.headSize;
  const rows = new Float32Array((to - from) * width);
  for (let first = from; first < to; first += PIECE_TOKENS) {
    const count = Math.min(PIECE_TOKENS, to - first);
    const staging = await engine.staging.take(4 * count * width);
    const commands = new Commands(engine);
    readRing(workOn(engine, commands, layer), tensor, first, first + count, 0, false);
    commands.copy(engine.workspace.get("rows").gpu, 0, staging.gpu, 0, 4 * count * width);
    commands.submit();
    rows.set(new Float32Array(await engine.staging.read(staging, 4 * count * width)), (first - from) * width);
  }
  return rows;
};

/** Rows of words of exact rows, rounded to float16. What is no number counts as 0: such layers are marked, and all that they give is NaN. */
const encodedRows = (
  { transform, headSize, sinks }: TensorFormat,
  rows: Float32Array,
  from: number,
): Uint32Array<ArrayBuffer> => {
  const { heads, rowWords } = transform!;
  const tokens = rows.length / (heads.length * headSize);
  const finite = rows.map((number) => (Math.abs(number) <= MAX_FLOAT16 ? roundToFloat16(number) : 0));
  const words = new Uint32Array(heads.length * tokens * rowWords);
  for (const [head, coder] of heads.entries())
    for (let token = 0; token < tokens; token++) {
      encodeToken(coder, finite, (token * heads.length + head) * headSize, sinks + from + token);
      writeTransformRow(transform!, coder, words, (head * tokens + token) * rowWords);
    }
  return words;
};

/** Uploads codes `from .. to - 1` of a call. They are there before the commands of this submit run. */
export const writeCodes = ({ engine, layer, codes }: Work, { format }: GpuTensor, from: number, to: number): void => {
  const { rowWords } = format.transform!;
  const coded = codes![format.kind]!;
  eachBlock(layer, from, to, (block, start, end) => {
    for (let head = 0; head < layer.shape.kvHeads; head++)
      engine.device.queue.writeBuffer(
        block[format.kind].gpu,
        4 * (head * block.tokens + start - block.first) * rowWords,
        coded.words,
        (head * (coded.to - coded.from) + start - coded.from) * rowWords,
        (end - start) * rowWords,
      );
  });
};

/** Downloads codes of tokens counted after the sinks and decodes them: float32 `[tokens, kvHeads * headSize]`, rounded to float16. */
export const decodedRows = async (
  engine: Engine,
  layer: GpuLayer,
  { format }: GpuTensor,
  { from, to }: TokenRange,
): Promise<Float32Array> => {
  const { heads, rowWords } = format.transform!;
  const { headSize, sinks } = format;
  const tokens = to - from;
  const words = await downloadedWords(engine, layer, format, { from, to });
  const rows = new Float32Array(tokens * heads.length * headSize);
  for (const [head, coder] of heads.entries())
    for (let token = 0; token < tokens; token++) {
      readTransformRow(format.transform!, coder, words, (head * tokens + token) * rowWords);
      decodeToken(coder, rows, (token * heads.length + head) * headSize, sinks + from + token);
    }
  return rows.map((number) => roundToFloat16(Math.max(-MAX_FLOAT16, Math.min(MAX_FLOAT16, number))));
};

const downloadedWords = async (
  engine: Engine,
  layer: GpuLayer,
  { kind, transform }: TensorFormat,
  { from, to }: TokenRange,
): Promise<Uint32Array> => {
  const { kvHeads } = layer.shape;
  const rowBytes = 4 * transform!.rowWords;
  const sizeBytes = kvHeads * (to - from) * rowBytes;
  const staging = await engine.staging.take(sizeBytes);
  const commands = new Commands(engine);
  eachBlock(layer, from, to, (block, start, end) => {
    for (let head = 0; head < kvHeads; head++)
      commands.copy(
        block[kind].gpu,
        (head * block.tokens + start - block.first) * rowBytes,
        staging.gpu,
        (head * (to - from) + start - from) * rowBytes,
        (end - start) * rowBytes,
      );
  });
  commands.submit();
  return new Uint32Array(await engine.staging.read(staging, sizeBytes));
};
