import { TILE_TOKENS } from "../layer-record.ts";
import type { HeadCoder } from "./coder.ts";

const LANES = 16;

/** Puts the codes and the gain of the coder's token into the record at `record`, as token `place` of its tile. */
export const writeToken = (bytes: Uint8Array, record: number, place: number, coder: HeadCoder): void => {
  const { token, gains, channels } = coder;
  const start = record + coder.offset;
  if (gains === "logarithmic") writeCode(bytes, start, 4, place, token.gain);
  else if (gains === "float16") {
    bytes[start + 2 * place] = token.gain & 0xff;
    bytes[start + 2 * place + 1] = token.gain >> 8;
  }
  for (const { index, width, offset } of channels) writeCode(bytes, start + offset, width, place, token.codes[index]!);
};

/** Reads what {@link writeToken} wrote. */
export const readToken = (bytes: Uint8Array, record: number, place: number, coder: HeadCoder): void => {
  const { token, gains, channels } = coder;
  const start = record + coder.offset;
  if (gains === "logarithmic") token.gain = readCode(bytes, start, 4, place);
  else if (gains === "float16") token.gain = bytes[start + 2 * place]! | (bytes[start + 2 * place + 1]! << 8);
  for (const { index, width, offset } of channels) token.codes[index] = readCode(bytes, start + offset, width, place);
};

const writeCode = (bytes: Uint8Array, codes: number, width: number, place: number, code: number): void => {
  for (let rest = width, left = code; rest > 0;) {
    const bits = planeBits(rest);
    const { at, shift } = cellOf(codes, bits, place);
    const mask = (1 << bits) - 1;
    bytes[at] = (bytes[at]! & ~(mask << shift)) | ((left & mask) << shift);
    codes += (bits * TILE_TOKENS) / 8;
    left >>= bits;
    rest -= bits;
  }
};

const readCode = (bytes: Uint8Array, codes: number, width: number, place: number): number => {
  let code = 0;
  for (let done = 0; done < width;) {
    const bits = planeBits(width - done);
    const { at, shift } = cellOf(codes, bits, place);
    code |= ((bytes[at]! >> shift) & ((1 << bits) - 1)) << done;
    codes += (bits * TILE_TOKENS) / 8;
    done += bits;
  }
  return code;
};

/** Bits of the next plane of a code with so many bits left. */
const planeBits = (left: number): number => (left >= 8 ? 8 : left >= 4 ? 4 : left >= 2 ? 2 : 1);

const cellOf = (plane: number, bits: number, place: number): { readonly at: number; readonly shift: number } => {
  const group = Math.floor(place / LANES);
  const perByte = 8 / bits;
  return { at: plane + Math.floor(group / perByte) * LANES + (place % LANES), shift: bits * (group % perByte) };
};
