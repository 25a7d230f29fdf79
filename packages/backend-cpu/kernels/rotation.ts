import { hadamard } from "./hadamard";
import { field, HEAD_SIZE, SIGNS, TABLE } from "./layout";
import { multiplyAdd } from "./multiply-add";
import { sumLanes } from "./round-factors";
import { state } from "./row-state";

/** Rotates a row's queries, in `state.rotated`, as the keys are before they are coded. */
export function rotateQueries(key: usize, kvHead: i32, row: usize, heads: i32): void {
  const headSize = field(key, HEAD_SIZE);
  const table = tableOf(key, kvHead, headSize);
  const signs = signsOf(key, kvHead, headSize);
  for (let head = 0; head < heads; head++) {
    const vector = row + state.rotated + (<usize>(head * headSize) << 2);
    if (table) multiplyColumns(vector, table, headSize, row + state.spare);
    else {
      if (signs) flip(vector, signs, headSize);
      hadamard(vector, headSize);
    }
  }
}

/** Undoes the rotation of the values in a row's sums, in `state.decoded`. */
export function rotateBack(value: usize, kvHead: i32, row: usize, heads: i32): void {
  const headSize = field(value, HEAD_SIZE);
  const table = tableOf(value, kvHead, headSize);
  const signs = signsOf(value, kvHead, headSize);
  for (let head = 0; head < heads; head++) {
    const vector = row + state.decoded + (<usize>(head * headSize) << 2);
    if (table) multiplyRows(vector, table, headSize, row + state.spare);
    else {
      hadamard(vector, headSize);
      if (signs) flip(vector, signs, headSize);
    }
  }
}

function tableOf(tensor: usize, kvHead: i32, headSize: i32): usize {
  const tables = <usize>field(tensor, TABLE);
  return tables ? tables + (<usize>(kvHead * headSize * headSize) << 2) : 0;
}

function signsOf(tensor: usize, kvHead: i32, headSize: i32): usize {
  const signs = <usize>field(tensor, SIGNS);
  return signs ? signs + (<usize>(kvHead * headSize) << 2) : 0;
}

function flip(vector: usize, signs: usize, count: i32): void {
  for (const end = vector + (<usize>count << 2); vector < end; vector += 16) {
    v128.store(vector, f32x4.mul(v128.load(vector), v128.load(signs)));
    signs += 16;
  }
}

/** `y_j = sum_i x_i R[i][j]`, in place. */
function multiplyColumns(vector: usize, table: usize, count: i32, spare: usize): void {
  const bytes = <usize>count << 2;
  memory.copy(spare, vector, bytes);
  memory.fill(vector, 0, bytes);
  for (let x = spare; x < spare + bytes; x += 4) {
    const number = v128.load32_splat(x);
    for (let at: usize = 0; at < bytes; at += 16)
      v128.store(vector + at, multiplyAdd(number, v128.load(table + at), v128.load(vector + at)));
    table += bytes;
  }
}

/** `x_i = sum_j y_j R[i][j]`, in place. */
function multiplyRows(vector: usize, table: usize, count: i32, spare: usize): void {
  const bytes = <usize>count << 2;
  memory.copy(spare, vector, bytes);
  for (const end = vector + bytes; vector < end; vector += 4) {
    let sum = f32x4.splat(0);
    for (let at: usize = 0; at < bytes; at += 16)
      sum = multiplyAdd(v128.load(spare + at), v128.load(table + at), sum);
    store<f32>(vector, sumLanes(sum));
    table += bytes;
  }
}
