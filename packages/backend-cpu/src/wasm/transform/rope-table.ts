import type { Rope } from "@kvtuner/quantizers";
import type { Arena } from "../arena.ts";
import { TILE_TOKENS } from "../layer-record.ts";
import { meanBasis } from "./mean-basis.ts";

/** Two numbers of a key that turn together, or stay if they are no pair of the embedding. */
export interface Turning {
  readonly first: number;
  readonly second: number;
  /** Address of the turns of the places in a tile, int16 (`kernels/transform-table.ts`). */
  readonly turns: number;
}

/** What the kernels need to turn keys. */
export interface RopeTable {
  /** Of the fields that `kernels/transform-rope.ts` lists. */
  readonly address: number;
  /** All numbers of a key. */
  readonly turnings: readonly Turning[];
}

/** Digits of a tile's number, to the base `DIGIT`. */
const DIGITS = 3;
const DIGIT = 64;

/**
 * The table of a position embedding. Tensors of an arena that turn alike share it.
 *
 * @param codedFrom position of the first token that may be coded
 */
export const ropeTable = (arena: Arena, rope: Rope, headSize: number, codedFrom: number): RopeTable => {
  const key = [rope.pairing, headSize, codedFrom, ...Array.from(rope.frequencies)].join();
  const known = tables.get(arena) ?? new Map<string, RopeTable>();
  tables.set(arena, known);
  const table = known.get(key) ?? writeRope(arena, rope, headSize, codedFrom);
  known.set(key, table);
  return table;
};

const tables = new WeakMap<Arena, Map<string, RopeTable>>();

const writeRope = (arena: Arena, rope: Rope, headSize: number, codedFrom: number): RopeTable => {
  const { frequencies, pairing } = rope;
  const pairs = frequencies.length;
  const moves = movesOf(rope, headSize);
  const places = writeFloats(
    arena,
    Array.from(frequencies).flatMap((frequency) => [
      ...ofPlaces(Math.cos, frequency),
      ...ofPlaces(Math.sin, frequency),
    ]),
  );
  const tiles = writeFloats(arena, tileTurns(frequencies, codedFrom));
  const basis = meanBasis(moves.map(({ frequency }) => frequency));
  const members = arena.allocate(4 * headSize);
  arena.words.set(
    basis.order.flatMap((index) => [moves[index]!.first, moves[index]!.second]),
    members / 4,
  );
  const atNodes = writeFloats(arena, basis.atNodes);
  const rows = writeFloats(arena, basis.rows);
  const address = arena.allocate(44);
  const steps = pairing === "halves" ? [1, pairs] : [2, 1];
  const { fast, slow, nodes } = basis;
  arena.words.set([pairs, ...steps, places, tiles, fast, slow, members, nodes, atNodes, rows], address / 4);
  const turnings = moves.map(({ first, second, frequency }) => ({
    first,
    second,
    turns: writeTurns(arena, frequency),
  }));
  return { address, turnings };
};

/** Numbers that turn together, with their frequency; those that do not turn with 0. */
const movesOf = (
  { frequencies, pairing }: Rope,
  headSize: number,
): { readonly first: number; readonly second: number; readonly frequency: number }[] =>
  Array.from({ length: headSize / 2 }, (_, pair) => {
    const isHalves = pairing === "halves" && pair < frequencies.length;
    const [first, second] = isHalves ? [pair, pair + frequencies.length] : [2 * pair, 2 * pair + 1];
    return { first, second, frequency: frequencies[pair] ?? 0 };
  });

const ofPlaces = (of: (angle: number) => number, frequency: number): number[] =>
  Array.from({ length: TILE_TOKENS }, (_, place) => of(place * frequency));

const tileTurns = (frequencies: ArrayLike<number>, codedFrom: number): number[] =>
  Array.from({ length: DIGITS * DIGIT }, (_, row) => {
    const tile = (row % DIGIT) * DIGIT ** Math.floor(row / DIGIT);
    const position = tile * TILE_TOKENS + (row < DIGIT ? codedFrom : 0);
    return Array.from(frequencies).flatMap((frequency) => [
      Math.cos(position * frequency),
      Math.sin(position * frequency),
    ]);
  }).flat();

const LARGEST_TURN = 32_767;

const writeTurns = (arena: Arena, frequency: number): number => {
  const turns = new Int16Array(4 * TILE_TOKENS);
  for (let place = 0; place < TILE_TOKENS; place++) {
    const [cosine, sine] = [Math.cos, Math.sin].map((of) => Math.round(LARGEST_TURN * of(place * frequency))) as [
      number,
      number,
    ];
    const at = 16 * Math.floor(place / 4) + 2 * (place % 4);
    turns.set([cosine, -sine], at);
    turns.set([sine, cosine], at + 8);
  }
  const address = arena.allocate(turns.byteLength);
  arena.bytes.set(new Uint8Array(turns.buffer), address);
  return address;
};

/** Address of some numbers as float32. */
export const writeFloats = (arena: Arena, numbers: ArrayLike<number>): number => {
  const address = arena.allocate(4 * numbers.length);
  arena.floats.set(numbers, address / 4);
  return address;
};
