import {
  type HeadImage,
  readTransformRow,
  roundDecoded,
  type TransformRows,
  writeTransformRow,
} from "@kvtuner/backend";
import {
  decodeToken,
  emptyBlock,
  encodeToken,
  numberFromFloat16,
  float16FromNumber,
  loadToken,
  storeToken,
  type TransformBlock,
} from "@kvtuner/quantizers";
import { readExact, writeExact } from "./exact-rows.ts";
import type { PackedTensor } from "./packed-tensor.ts";
import { CODE_PAGE_TOKENS, type TokenRange } from "./tensor-layout.ts";
import type { Workspace } from "./workspace.ts";

/**
 * Encodes tokens `first .. end - 1`, counted after the sinks. The codec does it on the CPU, so that codes equal those of all backends;
 * their 16-bit rows are downloaded.
 */
export const encodeTransform = (workspace: Workspace, tensor: PackedTensor, [first, end]: TokenRange): void => {
  const { transform, headSize, layer } = tensor.layout;
  const { sinks } = layer.residency;
  const rows = readExact(workspace, tensor, [sinks + first, sinks + end]);
  const numbers = Float32Array.from(rows, numberFromFloat16);
  const words = rowsOf(transform!, end - first, (head, token) => {
    encodeToken(transform!.heads[head]!, numbers, (head * (end - first) + token) * headSize, sinks + first + token);
  });
  writeWords(workspace, tensor, [first, end], words);
};

/** Decodes tokens `first .. end - 1`, counted after the sinks, to the 16-bit rows of `target`. */
export const decodeTransform = (
  workspace: Workspace,
  source: PackedTensor,
  target: PackedTensor,
  [first, end]: TokenRange,
): void => {
  const { transform, headSize, layer } = source.layout;
  const { sinks } = layer.residency;
  const words = readWords(workspace, source, [first, end]);
  const numbers = new Float32Array(transform!.heads.length * (end - first) * headSize);
  eachRow(transform!, end - first, (head, token, start) => {
    const coder = transform!.heads[head]!;
    readTransformRow(transform!, coder, words, start);
    decodeToken(coder, numbers, (head * (end - first) + token) * headSize, sinks + first + token);
  });
  roundDecoded(numbers);
  const halves = Uint16Array.from(numbers, float16FromNumber);
  writeExact(workspace, target, [sinks + first, sinks + end], halves);
};

/** Codes of each head in the layout of snapshots. */
export const transformImages = (
  workspace: Workspace,
  tensor: PackedTensor,
  coded: TokenRange,
): HeadImage["prefix"][] => {
  const { transform, headSize } = tensor.layout;
  const tokens = coded[1] - coded[0];
  const words = readWords(workspace, tensor, coded);
  const images = transform!.heads.map(({ tables }) => emptyBlock(tokens, headSize, tables.scheme) as TransformBlock);
  eachRow(transform!, tokens, (head, token, start) => {
    const coder = transform!.heads[head]!;
    readTransformRow(transform!, coder, words, start);
    storeToken(coder, images[head]!, token);
  });
  return images;
};

/** Writes the result of {@link transformImages}. */
export const importTransform = (
  workspace: Workspace,
  tensor: PackedTensor,
  coded: TokenRange,
  images: readonly HeadImage["prefix"][],
): void => {
  const { transform } = tensor.layout;
  const words = rowsOf(transform!, coded[1] - coded[0], (head, token) => {
    loadToken(transform!.heads[head]!, images[head] as TransformBlock, token);
  });
  writeWords(workspace, tensor, coded, words);
};

/** Visits rows of words `[tokens, kvHeads, rowWords]`. */
const eachRow = (
  { heads, rowWords }: TransformRows,
  tokens: number,
  visit: (head: number, token: number, start: number) => void,
): void => {
  for (let token = 0; token < tokens; token++)
    for (let head = 0; head < heads.length; head++) visit(head, token, (token * heads.length + head) * rowWords);
};

/** @param fill sets the gain and codes of a head's token */
const rowsOf = (transform: TransformRows, tokens: number, fill: (head: number, token: number) => void): Uint32Array => {
  const words = new Uint32Array(tokens * transform.heads.length * transform.rowWords);
  eachRow(transform, tokens, (head, token, start) => {
    fill(head, token);
    writeTransformRow(transform, transform.heads[head]!, words, start);
  });
  return words;
};

const writeWords = ({ device }: Workspace, tensor: PackedTensor, range: TokenRange, words: Uint32Array): void => {
  eachPage(tensor, range, words, (address, part) => device.upload(address, part));
};

/** Tokens whose page was released read as zeros. */
const readWords = ({ device }: Workspace, tensor: PackedTensor, range: TokenRange): Uint32Array => {
  const { rowWords, heads } = tensor.layout.transform!;
  const words = new Uint32Array((range[1] - range[0]) * heads.length * rowWords);
  eachPage(tensor, range, words, (address, part) => device.download(address, part));
  return words;
};

/** Visits the part of `words` that each page has of the tokens of a range. */
const eachPage = (
  { codes, layout }: PackedTensor,
  [first, end]: TokenRange,
  words: Uint32Array,
  visit: (address: number, part: Uint32Array) => void,
): void => {
  const { rowWords, heads } = layout.transform!;
  const tokenWords = heads.length * rowWords;
  for (let token = first; token < end;) {
    const next = Math.min(end, (Math.floor(token / CODE_PAGE_TOKENS) + 1) * CODE_PAGE_TOKENS);
    const page = codes.pageOf(token);
    if (page !== undefined)
      visit(
        page + 4 * (token % CODE_PAGE_TOKENS) * tokenWords,
        words.subarray((token - first) * tokenWords, (next - first) * tokenWords),
      );
    token = next;
  }
};
