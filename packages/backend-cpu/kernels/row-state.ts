import { BITS, CHANNEL, field, FLOAT8, GROUP_SIZE, HEAD_SIZE, HEADS, KEY, TABLE, TILE, VALUE } from "./layout";
import { PANEL_SUMS_BYTES, sumPanelsInto } from "./panel-sums";
import { isTransformed } from "./transform-table";

/** What one query row of one KV head carries from tile to tile: byte offsets into its state. Heads are the G of the KV head. */
export namespace state {
  /** f32 `[G][headSize]`: query times the scale of scores, `log2(e)` and what the exact keys' scale asks for. */
  export let query: usize = 0;
  /** Query times the scale of scores and `log2(e)`, transformed as the keys are. */
  export let rotated: usize = 0;
  /** int16 `[G][headSize]`: `rotated` over its unit; axis token. */
  export let factors: usize = 0;
  /** f32 `[G]`: what a factor of 1 stands for. */
  export let units: usize = 0;
  /** f32 `[G][groups]`: sum of the factors of a group, times the unit. */
  export let sums: usize = 0;
  /** What `factors` leave out, in the same form with a smaller unit: int16 `[G][headSize]`, f32 `[G]`, f32 `[G][groups]`. */
  export let residues: usize = 0;
  export let residueUnits: usize = 0;
  export let residueSums: usize = 0;
  /** f32 `[G]`: largest score so far, sum of weights so far. */
  export let largest: usize = 0;
  export let total: usize = 0;
  /** f32 `[G][valueSize]`: weighted sum of the exact values, and of the decoded ones before they are transformed back. */
  export let exact: usize = 0;
  export let decoded: usize = 0;
  /** f32 `[G]`: a query times the mean of the keys; codec transform, keys as given. */
  export let ofMean: usize = 0;
  /** f32 `[valueSize]`, of one head; codec transform. */
  export let unfolded: usize = 0;
  /** f32 `[max(headSize, valueSize)]` where a table rotates. */
  export let spare: usize = 0;
  export let sizeBytes: usize = 0;
}

/** Where the scratch of one tile is. f32 `[G][TILE]`, f32 `[max(TILE, headSize)]`, int16 `[G][max(TILE, headSize)]`, f32 `[G]` twice. */
export let scores: usize = 0;
export let weights: usize = 0;
export let factors: usize = 0;
export let constants: usize = 0;
export let units: usize = 0;
/** Largest scores of a record, f32 `[G][4]`. */
export let maxima: usize = 0;
/**
 * f32 `[max(TILE, headSize)]`: scales of a group of values or a block of keys, and what is added to their products: the numbers of
 * the middle code, or the minima of keys per token. Before a record of keys per channel, the largest of both.
 */
export let scales: usize = 0;
export let middles: usize = 0;
/** int16 `[TILE]`: codes of a group of values, in parts of a code, that `middles` are the numbers of. */
export let origins: usize = 0;
/** f32 `[G][headSize]`: queries over the unit of their factors, for keys per channel. */
export let scaledQuery: usize = 0;
/** What `factors` leave out, for keys per channel: int16 `[G][headSize]`, f32 `[G]` twice. */
export let fineFactors: usize = 0;
export let fineConstants: usize = 0;
export let fineUnits: usize = 0;
/** Pointers of the exact rows of a tile, `[TILE]`. */
export let keyRows: usize = 0;
export let valueRows: usize = 0;
/** Sums of four exact tokens, before their lanes are added: f32 `[4 heads][2 pairs][4]`. */
export let partial: usize = 0;
/** Heads whose values are read, i32 `[G]`. */
export let active: usize = 0;
/** Decoded keys and values of a tile, f32 `[headSize][TILE]` each, and keys before a matrix; codec transform. */
export let keyTile: usize = 0;
export let valueTile: usize = 0;
export let spareTile: usize = 0;
/** f32 `[G][headSize]`: queries turned back by the position of a tile; codec transform. */
export let turned: usize = 0;
/**
 * The same as int16, where words are fine enough (`transform-word-keys.ts`, `transform-word-values.ts`), with the gains of the tokens, f32
 * `[TILE]`; rows of two channels, int16 `[2][TILE]`; factors of queries, int16 `[G][headSize]`; sums of up to four heads, i32.
 */
export let keyWords: usize = 0;
export let keyGains: usize = 0;
export let valueWords: usize = 0;
export let valueGains: usize = 0;
export let pairRows: usize = 0;
export let queryWords: usize = 0;
export let wordSums: usize = 0;
/** Coefficients of the mean of turned keys, f32 `[5][headSize + 4]` (`transform-rope.ts`). */
export let meanFactors: usize = 0;
/** Keys and values of a tile that are floats of 8 bits, as float16 `[TILE][headSize]`, and their scales, f32 `[TILE]`. */
export let keyFloats: usize = 0;
export let valueFloats: usize = 0;
export let keyScales: usize = 0;
export let valueScales: usize = 0;
/** State of the first row. */
export let rowStates: usize = 0;

/** Takes row states that are not in the scratch. */
export function useRowStates(at: usize): void {
  rowStates = at;
}

let next: usize = 0;

function take(bytes: i32): usize {
  const at = next;
  next += (<usize>bytes + 15) & ~15;
  return at;
}

/** Lays out the state of a row and the scratch of a tile from `scratch` on; returns the bytes that `rows` rows take in all. */
export function layOut(layer: usize, scratch: usize, rows: i32): usize {
  const heads = field(layer, HEADS);
  const headSize = field(layer + KEY, HEAD_SIZE);
  const valueSize = field(layer + VALUE, HEAD_SIZE);
  const groupSize = field(layer + KEY, GROUP_SIZE);
  const groups = field(layer + KEY, BITS) === 16 || field(layer + KEY, CHANNEL) ? 1 : (headSize + groupSize - 1) / groupSize;
  next = 0;
  state.query = take(4 * heads * headSize);
  state.rotated = take(4 * heads * headSize);
  state.factors = take(2 * heads * headSize);
  state.units = take(4 * heads);
  state.sums = take(4 * heads * groups);
  state.residues = take(2 * heads * headSize);
  state.residueUnits = take(4 * heads);
  state.residueSums = take(4 * heads * groups);
  state.largest = take(4 * heads);
  state.total = take(4 * heads);
  state.exact = take(4 * heads * valueSize);
  state.decoded = take(4 * heads * valueSize);
  state.ofMean = take(4 * heads);
  state.unfolded = take(isTransformed(layer + VALUE) ? 4 * valueSize : 0);
  state.spare = take(field(layer + KEY, TABLE) || field(layer + VALUE, TABLE) ? 4 * max(headSize, valueSize) : 0);
  state.sizeBytes = next;
  next = scratch;
  scores = take(4 * heads * TILE);
  weights = take(4 * max(TILE, headSize));
  factors = take(2 * heads * max(TILE, headSize));
  constants = take(4 * heads);
  units = take(4 * heads);
  maxima = take(16 * heads);
  scales = take(4 * max(TILE, headSize));
  middles = take(4 * max(TILE, headSize));
  origins = take(2 * TILE);
  scaledQuery = take(4 * heads * headSize);
  fineFactors = take(2 * heads * headSize);
  fineConstants = take(4 * heads);
  fineUnits = take(4 * heads);
  keyRows = take(4 * TILE);
  valueRows = take(4 * TILE);
  partial = take(4 * 2 * 16);
  active = take(4 * heads);
  layOutTransform(isTransformed(layer + KEY) ? headSize : 0, isTransformed(layer + VALUE) ? valueSize : 0, heads);
  keyFloats = take(field(layer + KEY, FLOAT8) ? 2 * TILE * headSize : 0);
  keyScales = take(field(layer + KEY, FLOAT8) ? 4 * TILE : 0);
  valueFloats = take(field(layer + VALUE, FLOAT8) ? 2 * TILE * valueSize : 0);
  valueScales = take(field(layer + VALUE, FLOAT8) ? 4 * TILE : 0);
  sumPanelsInto(take(PANEL_SUMS_BYTES));
  rowStates = next;
  return next + <usize>rows * state.sizeBytes - scratch;
}

/** Scratch of the codec `transform`, of keys and of values of so many numbers, 0 for those of other codecs. */
function layOutTransform(keys: i32, values: i32, heads: i32): void {
  keyTile = take(4 * TILE * keys);
  spareTile = take(4 * TILE * keys);
  turned = take(4 * heads * keys);
  valueTile = take(4 * TILE * values);
  keyWords = take(2 * TILE * keys);
  keyGains = take(keys ? 4 * TILE : 0);
  pairRows = take(keys ? 4 * TILE : 0);
  queryWords = take(2 * heads * keys);
  valueWords = take(2 * TILE * values);
  valueGains = take(values ? 4 * TILE : 0);
  wordSums = take(max(keys ? 16 * TILE : 0, 32 * values));
  meanFactors = take(20 * (keys + 4));
}
