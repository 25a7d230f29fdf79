/**
 * The integer heart: `sum[head][output] = sum over k of x[head][k] * unit(code[k][output])` for a panel of 16 outputs and
 * one to four heads. A unit is the code times the factor of its output group (`layout.ts`), because codes are unpacked
 * by masks alone.
 *
 * A panel is summed in two halves of 8 outputs: with four heads that takes 8 accumulators, and all that is live fits the
 * 15 registers that engines have on x86. Twelve accumulators at once were 20 % slower, for the splats of x then spill.
 * Masks are loaded from memory: engines build v128 constants anew at each use, in several instructions.
 */

// prettier-ignore
const MASKS = memory.data<u16>([
  0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f, 0x0f,
  0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0,
  3, 3, 3, 3, 3, 3, 3, 3,
  12, 12, 12, 12, 12, 12, 12, 12,
  48, 48, 48, 48, 48, 48, 48, 48,
  192, 192, 192, 192, 192, 192, 192, 192,
  255, 255, 255, 255, 255, 255, 255, 255,
  7, 7, 7, 7, 7, 7, 7, 7,
  56, 56, 56, 56, 56, 56, 56, 56,
  448, 448, 448, 448, 448, 448, 448, 448,
  64, 64, 64, 64, 64, 64, 64, 64,
  128, 128, 128, 128, 128, 128, 128, 128,
  256, 256, 256, 256, 256, 256, 256, 256,
], 16);

/** Panels of one call, at most. */
export const MAX_PANELS: i32 = 8;
/** Heads of one call, at most. */
export const MAX_HEADS: i32 = 4;

/** Bytes of the sums of one call: i32 `[8 panels][4 heads][16 outputs]`. */
export const PANEL_SUMS_BYTES: i32 = 8 * 4 * 16 * 4;

/** Where the sums go: in a thread's own scratch, for threads share all static data. */
export let panelSums: usize = 0;

export function sumPanelsInto(at: usize): void {
  panelSums = at;
}

// @ts-ignore: decorator
@inline
function add(sum: v128, unit: v128, x: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(unit, x));
}

// @ts-ignore: decorator
@inline
function store(out: usize, first: v128, second: v128): void {
  v128.store(out, first);
  v128.store(out, second, 16);
}

/** A v128 is 16 outputs by 2 k: four codes of 4 bits in each i16, output group 0 lowest. */
// @ts-ignore: decorator
@inline
function half4(HEADS: i32, HALF: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  const m0 = v128.load(MASKS);
  const m1 = v128.load(MASKS, 16);
  const bytes = (<usize>count / 4) * 32;
  let out = panelSums + 32 * HALF;
  for (let panel = 0; panel < panels; panel++) {
    let at = codes;
    const end = codes + bytes;
    let x0 = x;
    let x1 = x0 + stride;
    let x2 = x1 + stride;
    let x3 = x2 + stride;
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let b0 = i32x4.splat(0);
    let b1 = i32x4.splat(0);
    let c0 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    let d0 = i32x4.splat(0);
    let d1 = i32x4.splat(0);
    while (at < end) {
      let s: v128;
      let v = v128.load(at);
      if (HALF) v = i16x8.shr_u(v, 8);
      let u = v128.and(v, m0);
      v = v128.and(v, m1);
      s = v128.load32_splat(x0);
      a0 = add(a0, u, s);
      a1 = add(a1, v, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1);
        b0 = add(b0, u, s);
        b1 = add(b1, v, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2);
        c0 = add(c0, u, s);
        c1 = add(c1, v, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3);
        d0 = add(d0, u, s);
        d1 = add(d1, v, s);
      }
      v = v128.load(at, 16);
      if (HALF) v = i16x8.shr_u(v, 8);
      u = v128.and(v, m0);
      v = v128.and(v, m1);
      s = v128.load32_splat(x0, 4);
      a0 = add(a0, u, s);
      a1 = add(a1, v, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1, 4);
        b0 = add(b0, u, s);
        b1 = add(b1, v, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2, 4);
        c0 = add(c0, u, s);
        c1 = add(c1, v, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3, 4);
        d0 = add(d0, u, s);
        d1 = add(d1, v, s);
      }
      at += 32;
      x0 += 8;
      if (HEADS > 1) x1 += 8;
      if (HEADS > 2) x2 += 8;
      if (HEADS > 3) x3 += 8;
    }
    store(out, a0, a1);
    if (HEADS > 1) store(out + 64, b0, b1);
    if (HEADS > 2) store(out + 128, c0, c1);
    if (HEADS > 3) store(out + 192, d0, d1);
    codes += panelBytes;
    out += 256;
  }
}

/** A v128 is 16 outputs by 4 k: four codes of 2 bits for k and k + 1 in the low byte of each i16, for k + 2 and k + 3 in the high. */
// @ts-ignore: decorator
@inline
function half2(HEADS: i32, HALF: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  const m0 = HALF ? v128.load(MASKS, 64) : v128.load(MASKS, 32);
  const m1 = HALF ? v128.load(MASKS, 80) : v128.load(MASKS, 48);
  const bytes = (<usize>count / 4) * 16;
  let out = panelSums + 32 * HALF;
  for (let panel = 0; panel < panels; panel++) {
    let at = codes;
    const end = codes + bytes;
    let x0 = x;
    let x1 = x0 + stride;
    let x2 = x1 + stride;
    let x3 = x2 + stride;
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let b0 = i32x4.splat(0);
    let b1 = i32x4.splat(0);
    let c0 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    let d0 = i32x4.splat(0);
    let d1 = i32x4.splat(0);
    while (at < end) {
      let s: v128;
      let v = v128.load(at);
      let u = v128.and(v, m0);
      let w = v128.and(v, m1);
      s = v128.load32_splat(x0);
      a0 = add(a0, u, s);
      a1 = add(a1, w, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1);
        b0 = add(b0, u, s);
        b1 = add(b1, w, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2);
        c0 = add(c0, u, s);
        c1 = add(c1, w, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3);
        d0 = add(d0, u, s);
        d1 = add(d1, w, s);
      }
      v = i16x8.shr_u(v, 8);
      u = v128.and(v, m0);
      w = v128.and(v, m1);
      s = v128.load32_splat(x0, 4);
      a0 = add(a0, u, s);
      a1 = add(a1, w, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1, 4);
        b0 = add(b0, u, s);
        b1 = add(b1, w, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2, 4);
        c0 = add(c0, u, s);
        c1 = add(c1, w, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3, 4);
        d0 = add(d0, u, s);
        d1 = add(d1, w, s);
      }
      at += 16;
      x0 += 8;
      if (HEADS > 1) x1 += 8;
      if (HEADS > 2) x2 += 8;
      if (HEADS > 3) x3 += 8;
    }
    store(out, a0, a1);
    if (HEADS > 1) store(out + 64, b0, b1);
    if (HEADS > 2) store(out + 128, c0, c1);
    if (HEADS > 3) store(out + 192, d0, d1);
    codes += panelBytes;
    out += 256;
  }
}

/** Two v128 are 16 outputs by 2 k, one for each half; the low byte of each i16 is the first output group of the half. */
// @ts-ignore: decorator
@inline
function half8(HEADS: i32, HALF: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  codes += 16 * HALF;
  const m0 = v128.load(MASKS, 96);
  const bytes = (<usize>count / 4) * 64;
  let out = panelSums + 32 * HALF;
  for (let panel = 0; panel < panels; panel++) {
    let at = codes;
    const end = codes + bytes;
    let x0 = x;
    let x1 = x0 + stride;
    let x2 = x1 + stride;
    let x3 = x2 + stride;
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let b0 = i32x4.splat(0);
    let b1 = i32x4.splat(0);
    let c0 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    let d0 = i32x4.splat(0);
    let d1 = i32x4.splat(0);
    while (at < end) {
      let s: v128;
      let v = v128.load(at);
      let u = v128.and(v, m0);
      v = i16x8.shr_u(v, 8);
      s = v128.load32_splat(x0);
      a0 = add(a0, u, s);
      a1 = add(a1, v, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1);
        b0 = add(b0, u, s);
        b1 = add(b1, v, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2);
        c0 = add(c0, u, s);
        c1 = add(c1, v, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3);
        d0 = add(d0, u, s);
        d1 = add(d1, v, s);
      }
      v = v128.load(at, 32);
      u = v128.and(v, m0);
      v = i16x8.shr_u(v, 8);
      s = v128.load32_splat(x0, 4);
      a0 = add(a0, u, s);
      a1 = add(a1, v, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1, 4);
        b0 = add(b0, u, s);
        b1 = add(b1, v, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2, 4);
        c0 = add(c0, u, s);
        c1 = add(c1, v, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3, 4);
        d0 = add(d0, u, s);
        d1 = add(d1, v, s);
      }
      at += 64;
      x0 += 8;
      if (HEADS > 1) x1 += 8;
      if (HEADS > 2) x2 += 8;
      if (HEADS > 3) x3 += 8;
    }
    store(out, a0, a1);
    if (HEADS > 1) store(out + 64, b0, b1);
    if (HEADS > 2) store(out + 128, c0, c1);
    if (HEADS > 3) store(out + 192, d0, d1);
    codes += panelBytes;
    out += 256;
  }
}

/** Three v128 are 16 outputs by 8 k, five codes of 3 bits in each i16. Output groups 0 and 1. */
// @ts-ignore: decorator
@inline
function half3low(HEADS: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  const m0 = v128.load(MASKS, 112);
  const m1 = v128.load(MASKS, 128);
  const bytes = (<usize>count / 8) * 48;
  let out = panelSums;
  for (let panel = 0; panel < panels; panel++) {
    let at = codes;
    const end = codes + bytes;
    let x0 = x;
    let x1 = x0 + stride;
    let x2 = x1 + stride;
    let x3 = x2 + stride;
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let b0 = i32x4.splat(0);
    let b1 = i32x4.splat(0);
    let c0 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    let d0 = i32x4.splat(0);
    let d1 = i32x4.splat(0);
    while (at < end) {
      let s: v128;
      let v = v128.load(at);
      let u = v128.and(v, m0);
      let w = v128.and(v, m1);
      s = v128.load32_splat(x0);
      a0 = add(a0, u, s);
      a1 = add(a1, w, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1);
        b0 = add(b0, u, s);
        b1 = add(b1, w, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2);
        c0 = add(c0, u, s);
        c1 = add(c1, w, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3);
        d0 = add(d0, u, s);
        d1 = add(d1, w, s);
      }
      v = v128.load(at, 16);
      u = v128.and(v, m0);
      w = v128.and(v, m1);
      s = v128.load32_splat(x0, 4);
      a0 = add(a0, u, s);
      a1 = add(a1, w, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1, 4);
        b0 = add(b0, u, s);
        b1 = add(b1, w, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2, 4);
        c0 = add(c0, u, s);
        c1 = add(c1, w, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3, 4);
        d0 = add(d0, u, s);
        d1 = add(d1, w, s);
      }
      v = v128.load(at, 32);
      u = v128.and(v, m0);
      w = v128.and(v, m1);
      s = v128.load32_splat(x0, 8);
      a0 = add(a0, u, s);
      a1 = add(a1, w, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1, 8);
        b0 = add(b0, u, s);
        b1 = add(b1, w, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2, 8);
        c0 = add(c0, u, s);
        c1 = add(c1, w, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3, 8);
        d0 = add(d0, u, s);
        d1 = add(d1, w, s);
      }
      v = i16x8.shr_u(v128.load(at), 9);
      u = v128.and(v, m0);
      w = v128.and(v, m1);
      s = v128.load32_splat(x0, 12);
      a0 = add(a0, u, s);
      a1 = add(a1, w, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1, 12);
        b0 = add(b0, u, s);
        b1 = add(b1, w, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2, 12);
        c0 = add(c0, u, s);
        c1 = add(c1, w, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3, 12);
        d0 = add(d0, u, s);
        d1 = add(d1, w, s);
      }
      at += 48;
      x0 += 16;
      if (HEADS > 1) x1 += 16;
      if (HEADS > 2) x2 += 16;
      if (HEADS > 3) x3 += 16;
    }
    store(out, a0, a1);
    if (HEADS > 1) store(out + 64, b0, b1);
    if (HEADS > 2) store(out + 128, c0, c1);
    if (HEADS > 3) store(out + 192, d0, d1);
    codes += panelBytes;
    out += 256;
  }
}

/** Output groups 2 and 3 of three v128. The top bits of the three are the bits of the sixteenth code. */
// @ts-ignore: decorator
@inline
function half3high(HEADS: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  const m0 = v128.load(MASKS, 112);
  const m2 = v128.load(MASKS, 144);
  const bytes = (<usize>count / 8) * 48;
  let out = panelSums + 32;
  for (let panel = 0; panel < panels; panel++) {
    let at = codes;
    const end = codes + bytes;
    let x0 = x;
    let x1 = x0 + stride;
    let x2 = x1 + stride;
    let x3 = x2 + stride;
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let b0 = i32x4.splat(0);
    let b1 = i32x4.splat(0);
    let c0 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    let d0 = i32x4.splat(0);
    let d1 = i32x4.splat(0);
    while (at < end) {
      let s: v128;
      const v1 = v128.load(at, 16);
      const v2 = v128.load(at, 32);
      let v = v128.load(at);
      let u = v128.and(v, m2);
      let w = v128.and(i16x8.shr_u(v1, 9), m0);
      s = v128.load32_splat(x0);
      a0 = add(a0, u, s);
      a1 = add(a1, w, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1);
        b0 = add(b0, u, s);
        b1 = add(b1, w, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2);
        c0 = add(c0, u, s);
        c1 = add(c1, w, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3);
        d0 = add(d0, u, s);
        d1 = add(d1, w, s);
      }
      u = v128.and(v1, m2);
      w = v128.and(i16x8.shr_u(v2, 9), m0);
      s = v128.load32_splat(x0, 4);
      a0 = add(a0, u, s);
      a1 = add(a1, w, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1, 4);
        b0 = add(b0, u, s);
        b1 = add(b1, w, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2, 4);
        c0 = add(c0, u, s);
        c1 = add(c1, w, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3, 4);
        d0 = add(d0, u, s);
        d1 = add(d1, w, s);
      }
      u = v128.and(v2, m2);
      w = v128.and(i16x8.shr_u(v1, 12), m0);
      s = v128.load32_splat(x0, 8);
      a0 = add(a0, u, s);
      a1 = add(a1, w, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1, 8);
        b0 = add(b0, u, s);
        b1 = add(b1, w, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2, 8);
        c0 = add(c0, u, s);
        c1 = add(c1, w, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3, 8);
        d0 = add(d0, u, s);
        d1 = add(d1, w, s);
      }
      u = v128.or(
        v128.or(v128.and(i16x8.shr_u(v, 9), v128.load(MASKS, 160)), v128.and(i16x8.shr_u(v1, 8), v128.load(MASKS, 176))),
        v128.and(i16x8.shr_u(v2, 7), v128.load(MASKS, 192)),
      );
      w = v128.and(i16x8.shr_u(v2, 12), m0);
      s = v128.load32_splat(x0, 12);
      a0 = add(a0, u, s);
      a1 = add(a1, w, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1, 12);
        b0 = add(b0, u, s);
        b1 = add(b1, w, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2, 12);
        c0 = add(c0, u, s);
        c1 = add(c1, w, s);
      }
      if (HEADS > 3) {
        s = v128.load32_splat(x3, 12);
        d0 = add(d0, u, s);
        d1 = add(d1, w, s);
      }
      at += 48;
      x0 += 16;
      if (HEADS > 1) x1 += 16;
      if (HEADS > 2) x2 += 16;
      if (HEADS > 3) x3 += 16;
    }
    store(out, a0, a1);
    if (HEADS > 1) store(out + 64, b0, b1);
    if (HEADS > 2) store(out + 128, c0, c1);
    if (HEADS > 3) store(out + 192, d0, d1);
    codes += panelBytes;
    out += 256;
  }
}

function low4x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half4(1, 0, codes, count, x, stride, panels, panelBytes);
}

function high4x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half4(1, 1, codes, count, x, stride, panels, panelBytes);
}

function low4x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half4(2, 0, codes, count, x, stride, panels, panelBytes);
}

function high4x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half4(2, 1, codes, count, x, stride, panels, panelBytes);
}

function low4x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half4(3, 0, codes, count, x, stride, panels, panelBytes);
}

function high4x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half4(3, 1, codes, count, x, stride, panels, panelBytes);
}

function low4x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half4(4, 0, codes, count, x, stride, panels, panelBytes);
}

function high4x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half4(4, 1, codes, count, x, stride, panels, panelBytes);
}

function low2x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half2(1, 0, codes, count, x, stride, panels, panelBytes);
}

function high2x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half2(1, 1, codes, count, x, stride, panels, panelBytes);
}

function low2x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half2(2, 0, codes, count, x, stride, panels, panelBytes);
}

function high2x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half2(2, 1, codes, count, x, stride, panels, panelBytes);
}

function low2x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half2(3, 0, codes, count, x, stride, panels, panelBytes);
}

function high2x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half2(3, 1, codes, count, x, stride, panels, panelBytes);
}

function low2x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half2(4, 0, codes, count, x, stride, panels, panelBytes);
}

function high2x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half2(4, 1, codes, count, x, stride, panels, panelBytes);
}

function low8x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half8(1, 0, codes, count, x, stride, panels, panelBytes);
}

function high8x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half8(1, 1, codes, count, x, stride, panels, panelBytes);
}

function low8x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half8(2, 0, codes, count, x, stride, panels, panelBytes);
}

function high8x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half8(2, 1, codes, count, x, stride, panels, panelBytes);
}

function low8x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half8(3, 0, codes, count, x, stride, panels, panelBytes);
}

function high8x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half8(3, 1, codes, count, x, stride, panels, panelBytes);
}

function low8x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half8(4, 0, codes, count, x, stride, panels, panelBytes);
}

function high8x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half8(4, 1, codes, count, x, stride, panels, panelBytes);
}

function low3x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half3low(1, codes, count, x, stride, panels, panelBytes);
}

function high3x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half3high(1, codes, count, x, stride, panels, panelBytes);
}

function low3x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half3low(2, codes, count, x, stride, panels, panelBytes);
}

function high3x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half3high(2, codes, count, x, stride, panels, panelBytes);
}

function low3x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half3low(3, codes, count, x, stride, panels, panelBytes);
}

function high3x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half3high(3, codes, count, x, stride, panels, panelBytes);
}

function low3x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half3low(4, codes, count, x, stride, panels, panelBytes);
}

function high3x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  half3high(4, codes, count, x, stride, panels, panelBytes);
}

function panel4(heads: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  if (heads === 3) {
    low4x3(codes, count, x, stride, panels, panelBytes);
    high4x3(codes, count, x, stride, panels, panelBytes);
  } else if (heads === 4) {
    low4x4(codes, count, x, stride, panels, panelBytes);
    high4x4(codes, count, x, stride, panels, panelBytes);
  } else if (heads === 1) {
    low4x1(codes, count, x, stride, panels, panelBytes);
    high4x1(codes, count, x, stride, panels, panelBytes);
  } else {
    low4x2(codes, count, x, stride, panels, panelBytes);
    high4x2(codes, count, x, stride, panels, panelBytes);
  }
}

function panel2(heads: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  if (heads === 3) {
    low2x3(codes, count, x, stride, panels, panelBytes);
    high2x3(codes, count, x, stride, panels, panelBytes);
  } else if (heads === 4) {
    low2x4(codes, count, x, stride, panels, panelBytes);
    high2x4(codes, count, x, stride, panels, panelBytes);
  } else if (heads === 1) {
    low2x1(codes, count, x, stride, panels, panelBytes);
    high2x1(codes, count, x, stride, panels, panelBytes);
  } else {
    low2x2(codes, count, x, stride, panels, panelBytes);
    high2x2(codes, count, x, stride, panels, panelBytes);
  }
}

function panel8(heads: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  if (heads === 3) {
    low8x3(codes, count, x, stride, panels, panelBytes);
    high8x3(codes, count, x, stride, panels, panelBytes);
  } else if (heads === 4) {
    low8x4(codes, count, x, stride, panels, panelBytes);
    high8x4(codes, count, x, stride, panels, panelBytes);
  } else if (heads === 1) {
    low8x1(codes, count, x, stride, panels, panelBytes);
    high8x1(codes, count, x, stride, panels, panelBytes);
  } else {
    low8x2(codes, count, x, stride, panels, panelBytes);
    high8x2(codes, count, x, stride, panels, panelBytes);
  }
}

function panel3(heads: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  if (heads === 3) {
    low3x3(codes, count, x, stride, panels, panelBytes);
    high3x3(codes, count, x, stride, panels, panelBytes);
  } else if (heads === 4) {
    low3x4(codes, count, x, stride, panels, panelBytes);
    high3x4(codes, count, x, stride, panels, panelBytes);
  } else if (heads === 1) {
    low3x1(codes, count, x, stride, panels, panelBytes);
    high3x1(codes, count, x, stride, panels, panelBytes);
  } else {
    low3x2(codes, count, x, stride, panels, panelBytes);
    high3x2(codes, count, x, stride, panels, panelBytes);
  }
}

/**
 * Fills `panelSums` from `panels` panels of `bits` bits and `count` k, a multiple of 8, `panelBytes` bytes apart, for 1 to 4
 * heads. The int16 numbers of head `h` start at `x + h * stride`.
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
  if (bits === 4) panel4(heads, codes, count, x, stride, panels, panelBytes);
  else if (bits === 2) panel2(heads, codes, count, x, stride, panels, panelBytes);
  else if (bits === 3) panel3(heads, codes, count, x, stride, panels, panelBytes);
  else panel8(heads, codes, count, x, stride, panels, panelBytes);
}
