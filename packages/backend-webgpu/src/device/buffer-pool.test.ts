import { expect, it } from "vitest";
import { BufferPool } from "./buffer-pool.ts";
import type { Buffer } from "./buffer.ts";

const recordingPool = () => {
  const destroyed: number[] = [];
  return { pool: new BufferPool(({ id }) => destroyed.push(id)), destroyed };
};

const buffer = (id: number, sizeBytes: number): Buffer => ({ id, sizeBytes }) as Buffer;

/** Takes a buffer and gives it back, like a call. */
const use = (pool: BufferPool, sizeBytes: number): void => pool.giveBack(pool.take(sizeBytes)!);

it("what a prompt needed goes when tokens have passed it by for long, what tokens need stays", () => {
  const { pool, destroyed } = recordingPool();
  pool.giveBack(buffer(1, 2 ** 20));
  pool.giveBack(buffer(2, 64));
  for (let token = 0; token < 1000; token++) use(pool, 64);
  expect(destroyed).toEqual([1]);
  expect(pool.take(2 ** 20)).toBeUndefined();
});

it("as many buffers stay as are in use at a time", () => {
  const { pool, destroyed } = recordingPool();
  for (let id = 0; id < 80; id++) pool.giveBack(buffer(id, 64));
  for (let token = 0; token < 20; token++) {
    const taken = Array.from({ length: 80 }, () => pool.take(64)!);
    expect(taken).not.toContain(undefined);
    for (const one of taken) pool.giveBack(one);
  }
  expect(destroyed).toEqual([]);
});

it("a closed pool keeps nothing", () => {
  const { pool, destroyed } = recordingPool();
  pool.giveBack(buffer(1, 64));
  pool.close();
  pool.giveBack(buffer(2, 64));
  expect(destroyed).toEqual([1, 2]);
});
