// What the panel kernels are made of: how each kind of panel is unpacked and multiplied. `kernels/layout.ts` says where a code is.

/** One bit pattern, or one of 16 bits twice, for each mask; a mask's number is its place. */
const WORD_MASKS = [0x0f, 0xf0, 0x03, 0x0c, 0x30, 0xc0, 0x07, 0x38, 0xff, 0x0303, 0x0404, 0x01, 0x02, 0x04, 0x08, 0x10];
const BYTE_MASKS = [0x0f0f, 0x0f0f, 0x0303, 0x0c0c, 0x3030, 0x0303, 0x0707, 0x3838, 0x0303, 0x0404];

const mask = (number) => `v128.load(MASKS, ${16 * number})`;

/** Codes that masks alone unpack: two v128 that are `GAP` apart, one of `STEP`; `MASK` is where those of two output groups are. */
const MASKED_WORDS = {
  parameters: "HALF: i32, MASK: usize, GAP: usize, STEP: usize, ",
  begin: ["const m0 = v128.load(MASKS + MASK);", "const m1 = v128.load(MASKS + MASK, 16);"],
  turn: { k: 8, bytes: "STEP", out: "32 * HALF" },
  declare: "let v: v128; let u: v128; let w: v128;",
  codes: ["u", "w"],
  steps: ["v128.load(at)", "i16x8.shr_u(v, 8)", "v128.load(at + GAP)", "i16x8.shr_u(v, 8)"].map((next) => [
    `v = ${next};`,
    "u = v128.and(v, m0);",
    "w = v128.and(v, m1);",
  ]),
};

/** The same for bytes; those of the second output group may also have to be shifted. */
const MASKED_BYTES = {
  ...MASKED_WORDS,
  parameters: "HALF: i32, MASK: usize, SHIFT: i32, GAP: usize, STEP: usize, ",
  declare: "let v: v128; let u: v128;",
  codes: ["u", "v"],
  steps: ["at", "at + GAP"].map((place) => [
    `v = v128.load(${place});`,
    "u = v128.and(v, m0);",
    "v = v128.and(SHIFT ? i16x8.shr_u(v, SHIFT) : v, m1);",
  ]),
};

/** Codes of 8 bits: one v128 is a half of the outputs by 2 k, the first output group in the lower bytes. */
const HALF_8 = {
  parameters: "HALF: i32, ",
  begin: ["codes += 16 * HALF;", `const m0 = ${mask(8)};`],
  turn: { k: 4, bytes: 64, out: "32 * HALF" },
  declare: "let v: v128; let u: v128;",
  codes: ["u", "v"],
  steps: ["at", "at, 32"].map((place) => [
    `v = v128.load(${place});`,
    "u = v128.and(v, m0);",
    "v = i16x8.shr_u(v, 8);",
  ]),
};

/** Codes of 1 bit: one v128 is all outputs by 8 k, those of the second four k above the others. */
const MASKED_1 = {
  ...MASKED_WORDS,
  parameters: "HALF: i32, MASK: usize, ",
  turn: { k: 8, bytes: 16, out: "32 * HALF" },
  steps: ["v128.load(at)", "i16x8.shr_u(v, 8)", "i16x8.shr_u(v128.load(at), 4)", "i16x8.shr_u(v, 8)"].map((next) => [
    `v = ${next};`,
    "u = v128.and(v, m0);",
    "w = v128.and(v, m1);",
  ]),
};

/** One v128, shifted up or down. */
const shifted = (name, up) => (up === 0 ? name : up > 0 ? `i16x8.shl(${name}, ${up})` : `i16x8.shr_u(${name}, ${-up})`);

/** Codes of 4 bits with upper bits after those of 8 k: each step joins the two. */
const joined = (upperBits, upper, upperMask) => ({
  parameters: "HALF: i32, ",
  begin: ["codes += 16 * HALF;", `const m0 = ${mask(0)};`, `const m1 = ${mask(upperMask)};`],
  turn: { k: 8, bytes: 64 + 16 * upperBits, out: "32 * HALF" },
  declare: `const upper = ${upper}; let v: v128; let u: v128; let w: v128;`,
  codes: ["u", "w"],
  steps: ["v128.load(at)", "i16x8.shr_u(v, 8)", "v128.load(at, 32)", "i16x8.shr_u(v, 8)"].map((next, step) => {
    const upperAt = (group) => shifted("upper", 4 - upperBits * ((step & 2) + group) - 8 * (step & 1));
    return [
      `v = ${next};`,
      `u = v128.or(v128.and(v, m0), v128.and(${upperAt(0)}, m1));`,
      `w = v128.or(v128.and(i16x8.shr_u(v, 4), m0), v128.and(${upperAt(1)}, m1));`,
    ];
  }),
});

/** Codes of 5 bits: the upper bits of both halves share bytes. */
const JOINED_5 = joined(1, "HALF ? i16x8.shr_u(v128.load(at, 48), 4) : v128.load(at, 64)", 15);
const JOINED_6 = joined(2, "v128.load(at, 64)", 4);

/** Group 3 of 3 bits: the lower bits are in the v128 of its k, the upper ones in the third. */
const group3 = (place, shift, lower, upper) =>
  `v128.or(v128.and(i16x8.shr_u(v128.load(${place}), 6), ${mask(lower)}), v128.and(i16x8.shr_u(two, ${shift}), ${mask(upper)}))`;
const group2 = (shift) => `u = v128.and(${shift ? `i16x8.shr_u(two, ${shift})` : "two"}, m0);`;

/** Output groups 2 and 3 of 3 bits. */
const HIGH_3_WORDS = {
  parameters: "",
  begin: [`const m0 = ${mask(6)};`, `const m1 = ${mask(8)};`],
  turn: { k: 8, bytes: 48, out: "32" },
  declare: "const two = v128.load(at, 32); let group3: v128; let u: v128; let w: v128;",
  codes: ["u", "w"],
  steps: [
    [`group3 = ${group3("at", 4, 9, 10)};`, group2(0), "w = v128.and(group3, m1);"],
    [group2(8), "w = i16x8.shr_u(group3, 8);"],
    [`group3 = ${group3("at, 16", 5, 9, 10)};`, group2(3), "w = v128.and(group3, m1);"],
    [group2(11), "w = i16x8.shr_u(group3, 8);"],
  ],
};
const HIGH_3_BYTES = {
  ...HIGH_3_WORDS,
  begin: [`const m0 = ${mask(6)};`],
  declare: "const two = v128.load(at, 32); let u: v128; let w: v128;",
  steps: [
    [group2(0), `w = ${group3("at", 4, 8, 9)};`],
    [group2(3), `w = ${group3("at, 16", 5, 8, 9)};`],
  ],
};

/** The kinds of panels. `halves` are the kernels of each number of bits, their arguments after the heads, and where codes begin. */
export const WORDS = {
  about: "Panels multiplied as int16: two k to a 32-bit lane.",
  name: "sumWords",
  imports: 'import { panelSums, store } from "../panel-sums";',
  masks: WORD_MASKS,
  kernels: { masked: MASKED_WORDS, half8: HALF_8, high3: HIGH_3_WORDS },
  halves: {
    4: ["masked(HEADS, 0, 0, 32, 64, codes", "masked(HEADS, 1, 0, 32, 64, codes + 16"],
    2: ["masked(HEADS, 0, 32, 16, 32, codes", "masked(HEADS, 1, 64, 16, 32, codes"],
    3: ["masked(HEADS, 0, 96, 16, 48, codes", "high3(HEADS, codes"],
    8: ["half8(HEADS, 0, codes", "half8(HEADS, 1, codes"],
  },
  widths: [4, 2, 3, 8],
  heads: [3, 4, 1, 2],
  sums: { name: "panelSums", parameter: "", argument: "" },
  product: "i32x4.add(sum, i32x4.dot_i16x8_s(unit, x))",
  factorWords: 1,
  results: (head) => `${head}0, ${head}1`,
};
export const PAIRS = {
  ...WORDS,
  about: "Panels of rarer widths multiplied as int16, for one or two heads: fewer functions to ship.",
  name: "sumPair",
  imports: 'import { store } from "../panel-sums";',
  kernels: { masked1: MASKED_1, joined5: JOINED_5, joined6: JOINED_6 },
  halves: {
    1: ["masked1(HEADS, 0, 176, codes", "masked1(HEADS, 1, 208, codes"],
    5: ["joined5(HEADS, 0, codes", "joined5(HEADS, 1, codes"],
    6: ["joined6(HEADS, 0, codes", "joined6(HEADS, 1, codes"],
  },
  widths: [1, 5, 6],
  heads: [2, 1],
  sums: { name: "sums", parameter: ", sums: usize", argument: ", sums" },
};
export const BYTES = {
  about:
    "Panels multiplied as bytes, four k to a 32-bit lane. Factors are two bytes (`split-factors.ts`), each with accumulators.",
  name: "sumBytes",
  imports: 'import { LOWER_BITS } from "../layout";\nimport { store } from "../panel-sums";',
  masks: BYTE_MASKS,
  kernels: { masked: MASKED_BYTES, high3: HIGH_3_BYTES },
  halves: {
    4: ["masked(HEADS, 0, 0, 4, 32, 64, codes", "masked(HEADS, 1, 0, 4, 32, 64, codes + 16"],
    2: ["masked(HEADS, 0, 32, 0, 16, 32, codes", "masked(HEADS, 1, 64, 6, 16, 32, codes"],
    3: ["masked(HEADS, 0, 96, 0, 16, 48, codes", "high3(HEADS, codes"],
  },
  widths: [4, 2, 3],
  heads: [3, 1, 2],
  sums: { name: "sums", parameter: ", sums: usize", argument: ", sums" },
  product: "ASC_FEATURE_RELAXED_SIMD ? i32x4.relaxed_dot_i8x16_i7x16_add_s(x, unit, sum) : sum",
  factorWords: 2,
  results: (head) =>
    [0, 1].map((group) => `i32x4.add(i32x4.shl(${head}${group}, LOWER_BITS), ${head}${group + 2})`).join(", "),
};
