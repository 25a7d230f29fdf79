import { sumBytes2, sumBytes3, sumBytes4 } from "./generated/byte-panels";
import { sumPair1, sumPair5, sumPair6 } from "./generated/pair-panels";
import { multipliesBytes } from "./layout";
import { panelSums } from "./panel-sums";
import { sumWords2, sumWords3, sumWords4, sumWords8 } from "./generated/word-panels";

/** Bytes of the sums of two heads. */
const TWO_HEADS: usize = 2 * 16 * 4;

/**
 * The integer heart: `sum[head][output] = sum over k of x[head][k] * unit(code[k][output])` for a panel of 16 outputs and
 * one to four heads. A unit is the code times the factor of its output group (`layout.ts`), because codes are unpacked
 * by masks alone.
 *
 * A panel is summed in two halves of 8 outputs: with four heads that takes 8 accumulators, and all that is live fits the
 * 15 registers that engines have on x86. Twelve accumulators of int16 at once were 20 % slower, for the splats of x then spill.
 *
 * Fills `panelSums` from `panels` panels of `bits` bits and `count` k, a multiple of 8, `panelBytes` bytes apart, for 1 to 4
 * heads. The factors of head `h` start at `x + h * stride`: int16, or split by `splitFactors`.
 */
export function sumPanels(
  bits: i32,
  heads: i32,
  codes: usize,
  count: i32,
  x: usize,
  stride: usize,
  panels: i32,
  panelBytes: usize,
): void {
  if (bits === 8) sumWords8(heads, codes, count, x, stride, panels, panelBytes);
  else if (bits === 1 || bits === 5 || bits === 6) sumPairs(bits, heads, codes, count, x, stride, panels, panelBytes);
  else if (!multipliesBytes(bits)) sumWords(bits, heads, codes, count, x, stride, panels, panelBytes);
  else if (heads < 4) sumBytes(bits, heads, codes, count, x, stride, panels, panelBytes, panelSums);
  else {
    sumBytes(bits, 2, codes, count, x, stride, panels, panelBytes, panelSums);
    sumBytes(bits, 2, codes, count, x + 2 * stride, stride, panels, panelBytes, panelSums + TWO_HEADS);
  }
}

function sumPairs(
  bits: i32,
  heads: i32,
  codes: usize,
  count: i32,
  x: usize,
  stride: usize,
  panels: i32,
  panelBytes: usize,
): void {
  let sums = panelSums;
  for (let head = 0; head < heads; head += 2) {
    const pair = min(2, heads - head);
    if (bits === 6) sumPair6(pair, codes, count, x, stride, panels, panelBytes, sums);
    else if (bits === 5) sumPair5(pair, codes, count, x, stride, panels, panelBytes, sums);
    else sumPair1(pair, codes, count, x, stride, panels, panelBytes, sums);
    x += 2 * stride;
    sums += TWO_HEADS;
  }
}

// @ts-ignore: decorator
@inline
function sumWords(
  bits: i32,
  heads: i32,
  codes: usize,
  count: i32,
  x: usize,
  stride: usize,
  panels: i32,
  panelBytes: usize,
): void {
  if (bits === 4) sumWords4(heads, codes, count, x, stride, panels, panelBytes);
  else if (bits === 2) sumWords2(heads, codes, count, x, stride, panels, panelBytes);
  else sumWords3(heads, codes, count, x, stride, panels, panelBytes);
}

// @ts-ignore: decorator
@inline
function sumBytes(
  bits: i32,
  heads: i32,
  codes: usize,
  count: i32,
  x: usize,
  stride: usize,
  panels: i32,
  panelBytes: usize,
  sums: usize,
): void {
  if (bits === 4) sumBytes4(heads, codes, count, x, stride, panels, panelBytes, sums);
  else if (bits === 2) sumBytes2(heads, codes, count, x, stride, panels, panelBytes, sums);
  else sumBytes3(heads, codes, count, x, stride, panels, panelBytes, sums);
}
