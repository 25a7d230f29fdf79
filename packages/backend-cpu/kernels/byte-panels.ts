import { LOWER_BITS } from "./layout";
import { store } from "./panel-sums";

/*
 * Panels multiplied as bytes, four k to a 32-bit lane, where an engine has a dot product of them in one instruction: factors
 * are two bytes (`split-factors.ts`), codes one of at most 7 bits, so that every engine gives the same sums. Three heads
 * take twelve accumulators, which is as many as fit. Sums go to `sums`, as to `panelSums`.
 */

// prettier-ignore
const MASKS = memory.data<u16>([
  0xf0f, 0xf0f, 0xf0f, 0xf0f, 0xf0f, 0xf0f, 0xf0f, 0xf0f,
  0xf0f, 0xf0f, 0xf0f, 0xf0f, 0xf0f, 0xf0f, 0xf0f, 0xf0f,
  0x303, 0x303, 0x303, 0x303, 0x303, 0x303, 0x303, 0x303,
  0xc0c, 0xc0c, 0xc0c, 0xc0c, 0xc0c, 0xc0c, 0xc0c, 0xc0c,
  0x3030, 0x3030, 0x3030, 0x3030, 0x3030, 0x3030, 0x3030, 0x3030,
  0x303, 0x303, 0x303, 0x303, 0x303, 0x303, 0x303, 0x303,
  0x707, 0x707, 0x707, 0x707, 0x707, 0x707, 0x707, 0x707,
  0x3838, 0x3838, 0x3838, 0x3838, 0x3838, 0x3838, 0x3838, 0x3838,
  0x303, 0x303, 0x303, 0x303, 0x303, 0x303, 0x303, 0x303,
  0x404, 0x404, 0x404, 0x404, 0x404, 0x404, 0x404, 0x404,
], 16);

// @ts-ignore: decorator
@inline
function add(sum: v128, unit: v128, x: v128): v128 {
  // @ts-ignore: the compiler defines it
  return ASC_FEATURE_RELAXED_SIMD ? i32x4.relaxed_dot_i8x16_i7x16_add_s(x, unit, sum) : sum;
}

// @ts-ignore: decorator
@inline
function join(upper: v128, lower: v128): v128 {
  return i32x4.add(i32x4.shl(upper, LOWER_BITS), lower);
}

// @ts-ignore: decorator
@inline
function shifted(v: v128, SHIFT: i32): v128 {
  return SHIFT ? i16x8.shr_u(v, SHIFT) : v;
}

/** Codes that a mask and perhaps a shift unpack, 8 k a step: two v128 that are `GAP` apart, one of `STEP`; `MASK` is where the masks of the two output groups are. */
// @ts-ignore: decorator
@inline
function masked(HEADS: i32, HALF: i32, MASK: usize, SHIFT: i32, GAP: usize, STEP: usize, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  const m0 = v128.load(MASKS + MASK);
  const m1 = v128.load(MASKS + MASK, 16);
  const bytes = (<usize>count / 8) * STEP;
  let out = sums + 32 * HALF;
  for (let panel = 0; panel < panels; panel++) {
    let at = codes;
    const end = codes + bytes;
    let x0 = x;
    let x1 = x0 + stride;
    let x2 = x1 + stride;
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let a2 = i32x4.splat(0);
    let a3 = i32x4.splat(0);
    let b0 = i32x4.splat(0);
    let b1 = i32x4.splat(0);
    let b2 = i32x4.splat(0);
    let b3 = i32x4.splat(0);
    let c0 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    let c2 = i32x4.splat(0);
    let c3 = i32x4.splat(0);
    while (at < end) {
      let s: v128;
      let v = v128.load(at);
      let u = v128.and(v, m0);
      v = v128.and(shifted(v, SHIFT), m1);
      s = v128.load32_splat(x0);
      a0 = add(a0, u, s);
      a1 = add(a1, v, s);
      s = v128.load32_splat(x0, 4);
      a2 = add(a2, u, s);
      a3 = add(a3, v, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1);
        b0 = add(b0, u, s);
        b1 = add(b1, v, s);
        s = v128.load32_splat(x1, 4);
        b2 = add(b2, u, s);
        b3 = add(b3, v, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2);
        c0 = add(c0, u, s);
        c1 = add(c1, v, s);
        s = v128.load32_splat(x2, 4);
        c2 = add(c2, u, s);
        c3 = add(c3, v, s);
      }
      v = v128.load(at + GAP);
      u = v128.and(v, m0);
      v = v128.and(shifted(v, SHIFT), m1);
      s = v128.load32_splat(x0, 8);
      a0 = add(a0, u, s);
      a1 = add(a1, v, s);
      s = v128.load32_splat(x0, 12);
      a2 = add(a2, u, s);
      a3 = add(a3, v, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1, 8);
        b0 = add(b0, u, s);
        b1 = add(b1, v, s);
        s = v128.load32_splat(x1, 12);
        b2 = add(b2, u, s);
        b3 = add(b3, v, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2, 8);
        c0 = add(c0, u, s);
        c1 = add(c1, v, s);
        s = v128.load32_splat(x2, 12);
        c2 = add(c2, u, s);
        c3 = add(c3, v, s);
      }
      at += STEP;
      x0 += 16;
      if (HEADS > 1) x1 += 16;
      if (HEADS > 2) x2 += 16;
    }
    store(out, join(a0, a2), join(a1, a3));
    if (HEADS > 1) store(out + 64, join(b0, b2), join(b1, b3));
    if (HEADS > 2) store(out + 128, join(c0, c2), join(c1, c3));
    codes += panelBytes;
    out += 256;
  }
}

/** Output groups 2 and 3 of 3 bits. */
// @ts-ignore: decorator
@inline
function high3(HEADS: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  const m0 = v128.load(MASKS, 96);
  const bytes = (<usize>count / 8) * 48;
  let out = sums + 32;
  for (let panel = 0; panel < panels; panel++) {
    let at = codes;
    const end = codes + bytes;
    let x0 = x;
    let x1 = x0 + stride;
    let x2 = x1 + stride;
    let a0 = i32x4.splat(0);
    let a1 = i32x4.splat(0);
    let a2 = i32x4.splat(0);
    let a3 = i32x4.splat(0);
    let b0 = i32x4.splat(0);
    let b1 = i32x4.splat(0);
    let b2 = i32x4.splat(0);
    let b3 = i32x4.splat(0);
    let c0 = i32x4.splat(0);
    let c1 = i32x4.splat(0);
    let c2 = i32x4.splat(0);
    let c3 = i32x4.splat(0);
    while (at < end) {
      let s: v128;
      const two = v128.load(at, 32);
      let u = v128.and(two, m0);
      let w = v128.or(
        v128.and(i16x8.shr_u(v128.load(at), 6), v128.load(MASKS, 128)),
        v128.and(i16x8.shr_u(two, 4), v128.load(MASKS, 144)),
      );
      s = v128.load32_splat(x0);
      a0 = add(a0, u, s);
      a1 = add(a1, w, s);
      s = v128.load32_splat(x0, 4);
      a2 = add(a2, u, s);
      a3 = add(a3, w, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1);
        b0 = add(b0, u, s);
        b1 = add(b1, w, s);
        s = v128.load32_splat(x1, 4);
        b2 = add(b2, u, s);
        b3 = add(b3, w, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2);
        c0 = add(c0, u, s);
        c1 = add(c1, w, s);
        s = v128.load32_splat(x2, 4);
        c2 = add(c2, u, s);
        c3 = add(c3, w, s);
      }
      u = v128.and(i16x8.shr_u(two, 3), m0);
      w = v128.or(
        v128.and(i16x8.shr_u(v128.load(at, 16), 6), v128.load(MASKS, 128)),
        v128.and(i16x8.shr_u(two, 5), v128.load(MASKS, 144)),
      );
      s = v128.load32_splat(x0, 8);
      a0 = add(a0, u, s);
      a1 = add(a1, w, s);
      s = v128.load32_splat(x0, 12);
      a2 = add(a2, u, s);
      a3 = add(a3, w, s);
      if (HEADS > 1) {
        s = v128.load32_splat(x1, 8);
        b0 = add(b0, u, s);
        b1 = add(b1, w, s);
        s = v128.load32_splat(x1, 12);
        b2 = add(b2, u, s);
        b3 = add(b3, w, s);
      }
      if (HEADS > 2) {
        s = v128.load32_splat(x2, 8);
        c0 = add(c0, u, s);
        c1 = add(c1, w, s);
        s = v128.load32_splat(x2, 12);
        c2 = add(c2, u, s);
        c3 = add(c3, w, s);
      }
      at += 48;
      x0 += 16;
      if (HEADS > 1) x1 += 16;
      if (HEADS > 2) x2 += 16;
    }
    store(out, join(a0, a2), join(a1, a3));
    if (HEADS > 1) store(out + 64, join(b0, b2), join(b1, b3));
    if (HEADS > 2) store(out + 128, join(c0, c2), join(c1, c3));
    codes += panelBytes;
    out += 256;
  }
}

function low4x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(1, 0, 0, 4, 32, 64, codes, count, x, stride, panels, panelBytes, sums);
}

function high4x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(1, 1, 0, 4, 32, 64, codes + 16, count, x, stride, panels, panelBytes, sums);
}

function low4x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(2, 0, 0, 4, 32, 64, codes, count, x, stride, panels, panelBytes, sums);
}

function high4x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(2, 1, 0, 4, 32, 64, codes + 16, count, x, stride, panels, panelBytes, sums);
}

function low4x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(3, 0, 0, 4, 32, 64, codes, count, x, stride, panels, panelBytes, sums);
}

function high4x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(3, 1, 0, 4, 32, 64, codes + 16, count, x, stride, panels, panelBytes, sums);
}

function low2x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(1, 0, 32, 0, 16, 32, codes, count, x, stride, panels, panelBytes, sums);
}

function high2x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(1, 1, 64, 6, 16, 32, codes, count, x, stride, panels, panelBytes, sums);
}

function low2x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(2, 0, 32, 0, 16, 32, codes, count, x, stride, panels, panelBytes, sums);
}

function high2x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(2, 1, 64, 6, 16, 32, codes, count, x, stride, panels, panelBytes, sums);
}

function low2x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(3, 0, 32, 0, 16, 32, codes, count, x, stride, panels, panelBytes, sums);
}

function high2x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(3, 1, 64, 6, 16, 32, codes, count, x, stride, panels, panelBytes, sums);
}

function low3x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(1, 0, 96, 0, 16, 48, codes, count, x, stride, panels, panelBytes, sums);
}

function high3x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  high3(1, codes, count, x, stride, panels, panelBytes, sums);
}

function low3x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(2, 0, 96, 0, 16, 48, codes, count, x, stride, panels, panelBytes, sums);
}

function high3x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  high3(2, codes, count, x, stride, panels, panelBytes, sums);
}

function low3x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  masked(3, 0, 96, 0, 16, 48, codes, count, x, stride, panels, panelBytes, sums);
}

function high3x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  high3(3, codes, count, x, stride, panels, panelBytes, sums);
}

/** Sums of 4-bit codes, of at most three heads. */
export function sumBytes4(heads: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  if (heads === 3) {
    low4x3(codes, count, x, stride, panels, panelBytes, sums);
    high4x3(codes, count, x, stride, panels, panelBytes, sums);
  } else if (heads === 1) {
    low4x1(codes, count, x, stride, panels, panelBytes, sums);
    high4x1(codes, count, x, stride, panels, panelBytes, sums);
  } else {
    low4x2(codes, count, x, stride, panels, panelBytes, sums);
    high4x2(codes, count, x, stride, panels, panelBytes, sums);
  }
}

/** Sums of 2-bit codes, of at most three heads. */
export function sumBytes2(heads: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  if (heads === 3) {
    low2x3(codes, count, x, stride, panels, panelBytes, sums);
    high2x3(codes, count, x, stride, panels, panelBytes, sums);
  } else if (heads === 1) {
    low2x1(codes, count, x, stride, panels, panelBytes, sums);
    high2x1(codes, count, x, stride, panels, panelBytes, sums);
  } else {
    low2x2(codes, count, x, stride, panels, panelBytes, sums);
    high2x2(codes, count, x, stride, panels, panelBytes, sums);
  }
}

/** Sums of 3-bit codes, of at most three heads. */
export function sumBytes3(heads: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize, sums: usize): void {
  if (heads === 3) {
    low3x3(codes, count, x, stride, panels, panelBytes, sums);
    high3x3(codes, count, x, stride, panels, panelBytes, sums);
  } else if (heads === 1) {
    low3x1(codes, count, x, stride, panels, panelBytes, sums);
    high3x1(codes, count, x, stride, panels, panelBytes, sums);
  } else {
    low3x2(codes, count, x, stride, panels, panelBytes, sums);
    high3x2(codes, count, x, stride, panels, panelBytes, sums);
  }
}
