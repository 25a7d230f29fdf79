import type { Rope } from "@kvtuner/quantizers";
import type { Arena } from "../arena.ts";
import { TILE_TOKENS } from "../layer-record.ts";

/** Digits of a tile's number, to the base `DIGIT`. */
const DIGITS = 3;
const DIGIT = 64;

/**
 * Address of what the kernels need to turn keys (`kernels/transform-rope.ts`). Tensors of an arena that turn alike share it.
 *
 * @param codedFrom position of the first token that may be coded
 */
export const ropeTable = (arena: Arena, rope: Rope, codedFrom: number): number => {
  const key = [rope.pairing, codedFrom, ...Array.from(rope.frequencies)].join();
  const known = tables.get(arena) ?? new Map<string, number>();
  tables.set(arena, known);
  const address = known.get(key) ?? writeRope(arena, rope, codedFrom);
  known.set(key, address);
  return address;
};

const tables = new WeakMap<Arena, Map<string, number>>();

const writeRope = (arena: Arena, { frequencies, pairing }: Rope, codedFrom: number): number => {
  const pairs = frequencies.length;
  const turns = arena.allocate(8 * pairs * TILE_TOKENS);
  const digits = arena.allocate(8 * pairs * DIGITS * DIGIT);
  const address = arena.allocate(20);
  const { floats, words } = arena;
  words.set([pairs, ...(pairing === "halves" ? [1, pairs] : [2, 1]), turns, digits], address / 4);
  for (let pair = 0; pair < pairs; pair++) {
    const frequency = frequencies[pair]!;
    for (let place = 0; place < TILE_TOKENS; place++) {
      floats[turns / 4 + 2 * pair * TILE_TOKENS + place] = Math.cos(place * frequency);
      floats[turns / 4 + (2 * pair + 1) * TILE_TOKENS + place] = Math.sin(place * frequency);
    }
    for (let row = 0; row < DIGITS * DIGIT; row++) {
      const tile = (row % DIGIT) * DIGIT ** Math.floor(row / DIGIT);
      const angle = (tile * TILE_TOKENS + (row < DIGIT ? codedFrom : 0)) * frequency;
      floats[digits / 4 + 2 * (row * pairs + pair)] = Math.cos(angle);
      floats[digits / 4 + 2 * (row * pairs + pair) + 1] = Math.sin(angle);
    }
  }
  return address;
};
