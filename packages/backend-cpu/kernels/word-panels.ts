import { panelSums, store } from "./panel-sums";

/*
 * Panels multiplied as int16: two k to a 32-bit lane. Masks are loaded from memory: engines build v128 constants anew at each
 * use, in several instructions.
 */

// prettier-ignore
const MASKS = memory.data<u16>([
  0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf, 0xf,
  0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0, 0xf0,
  0x3, 0x3, 0x3, 0x3, 0x3, 0x3, 0x3, 0x3,
  0xc, 0xc, 0xc, 0xc, 0xc, 0xc, 0xc, 0xc,
  0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30, 0x30,
  0xc0, 0xc0, 0xc0, 0xc0, 0xc0, 0xc0, 0xc0, 0xc0,
  0x7, 0x7, 0x7, 0x7, 0x7, 0x7, 0x7, 0x7,
  0x38, 0x38, 0x38, 0x38, 0x38, 0x38, 0x38, 0x38,
  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
  0x303, 0x303, 0x303, 0x303, 0x303, 0x303, 0x303, 0x303,
  0x404, 0x404, 0x404, 0x404, 0x404, 0x404, 0x404, 0x404,
], 16);

// @ts-ignore: decorator
@inline
function add(sum: v128, unit: v128, x: v128): v128 {
  return i32x4.add(sum, i32x4.dot_i16x8_s(unit, x));
}

/** Codes that masks alone unpack, 8 k a step: two v128 that are `GAP` apart, one of `STEP`; `MASK` is where the masks of the two output groups are. */
// @ts-ignore: decorator
@inline
function masked(HEADS: i32, HALF: i32, MASK: usize, GAP: usize, STEP: usize, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  const m0 = v128.load(MASKS + MASK);
  const m1 = v128.load(MASKS + MASK, 16);
  const bytes = (<usize>count / 8) * STEP;
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
      v = v128.load(at + GAP);
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
      v = i16x8.shr_u(v, 8);
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
      at += STEP;
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

/** Codes of 8 bits: two v128 are 16 outputs by 2 k, one for each half; the low byte of each i16 is the first output group of the half. */
// @ts-ignore: decorator
@inline
function half8(HEADS: i32, HALF: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  codes += 16 * HALF;
  const m0 = v128.load(MASKS, 128);
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

/** Output groups 2 and 3 of 3 bits. */
// @ts-ignore: decorator
@inline
function high3(HEADS: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  const m0 = v128.load(MASKS, 96);
  const m1 = v128.load(MASKS, 128);
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
      const two = v128.load(at, 32);
      let group3 = v128.or(
        v128.and(i16x8.shr_u(v128.load(at), 6), v128.load(MASKS, 144)),
        v128.and(i16x8.shr_u(two, 4), v128.load(MASKS, 160)),
      );
      let u = v128.and(two, m0);
      let w = v128.and(group3, m1);
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
      u = v128.and(i16x8.shr_u(two, 8), m0);
      w = i16x8.shr_u(group3, 8);
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
      group3 = v128.or(
        v128.and(i16x8.shr_u(v128.load(at, 16), 6), v128.load(MASKS, 144)),
        v128.and(i16x8.shr_u(two, 5), v128.load(MASKS, 160)),
      );
      u = v128.and(i16x8.shr_u(two, 3), m0);
      w = v128.and(group3, m1);
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
      u = v128.and(i16x8.shr_u(two, 11), m0);
      w = i16x8.shr_u(group3, 8);
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
  masked(1, 0, 0, 32, 64, codes, count, x, stride, panels, panelBytes);
}

function high4x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(1, 1, 0, 32, 64, codes + 16, count, x, stride, panels, panelBytes);
}

function low4x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(2, 0, 0, 32, 64, codes, count, x, stride, panels, panelBytes);
}

function high4x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(2, 1, 0, 32, 64, codes + 16, count, x, stride, panels, panelBytes);
}

function low4x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(3, 0, 0, 32, 64, codes, count, x, stride, panels, panelBytes);
}

function high4x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(3, 1, 0, 32, 64, codes + 16, count, x, stride, panels, panelBytes);
}

function low4x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(4, 0, 0, 32, 64, codes, count, x, stride, panels, panelBytes);
}

function high4x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(4, 1, 0, 32, 64, codes + 16, count, x, stride, panels, panelBytes);
}

function low2x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(1, 0, 32, 16, 32, codes, count, x, stride, panels, panelBytes);
}

function high2x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(1, 1, 64, 16, 32, codes, count, x, stride, panels, panelBytes);
}

function low2x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(2, 0, 32, 16, 32, codes, count, x, stride, panels, panelBytes);
}

function high2x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(2, 1, 64, 16, 32, codes, count, x, stride, panels, panelBytes);
}

function low2x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(3, 0, 32, 16, 32, codes, count, x, stride, panels, panelBytes);
}

function high2x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(3, 1, 64, 16, 32, codes, count, x, stride, panels, panelBytes);
}

function low2x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(4, 0, 32, 16, 32, codes, count, x, stride, panels, panelBytes);
}

function high2x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(4, 1, 64, 16, 32, codes, count, x, stride, panels, panelBytes);
}

function low3x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(1, 0, 96, 16, 48, codes, count, x, stride, panels, panelBytes);
}

function high3x1(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  high3(1, codes, count, x, stride, panels, panelBytes);
}

function low3x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(2, 0, 96, 16, 48, codes, count, x, stride, panels, panelBytes);
}

function high3x2(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  high3(2, codes, count, x, stride, panels, panelBytes);
}

function low3x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(3, 0, 96, 16, 48, codes, count, x, stride, panels, panelBytes);
}

function high3x3(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  high3(3, codes, count, x, stride, panels, panelBytes);
}

function low3x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  masked(4, 0, 96, 16, 48, codes, count, x, stride, panels, panelBytes);
}

function high3x4(codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
  high3(4, codes, count, x, stride, panels, panelBytes);
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

/** Sums of 4-bit codes. */
export function sumWords4(heads: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
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

/** Sums of 2-bit codes. */
export function sumWords2(heads: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
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

/** Sums of 3-bit codes. */
export function sumWords3(heads: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
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

/** Sums of 8-bit codes. */
export function sumWords8(heads: i32, codes: usize, count: i32, x: usize, stride: usize, panels: i32, panelBytes: usize): void {
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
