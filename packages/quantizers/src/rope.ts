/** How a rotary position embedding (RoPE) turns the head vectors of a layer. */
export interface Rope {
  /** Radians a token of each pair of channels, at most `headSize / 2` pairs. */
  readonly frequencies: ArrayLike<number>;
  /** The channels of pair `i`: `i` and `i + pairs`, or `2i` and `2i + 1`. Channels after the pairs are not turned. */
  readonly pairing: "halves" | "neighbours";
}

/** Turns head vectors by their positions, in place: `x` is `[tokens, headSize]`, its first token at `position`. */
export const rotate = (x: Float32Array | Float64Array, headSize: number, position: number, rope: Rope): void =>
  turn(x, headSize, position, rope, 1);

/** Undoes {@link rotate}. */
export const unrotate = (x: Float32Array | Float64Array, headSize: number, position: number, rope: Rope): void =>
  turn(x, headSize, position, rope, -1);

const turn = (
  x: Float32Array | Float64Array,
  headSize: number,
  position: number,
  { frequencies, pairing }: Rope,
  direction: 1 | -1,
): void => {
  const pairs = frequencies.length;
  const [step, distance] = pairing === "halves" ? [1, pairs] : [2, 1];
  const { cosines, sines } = anglesUntil(frequencies, position + x.length / headSize);
  for (let token = 0; token * headSize < x.length; token++)
    for (let pair = 0; pair < pairs; pair++) {
      const angle = (position + token) * pairs + pair;
      const isKnown = angle < cosines.length;
      const radians = isKnown ? 0 : (position + token) * frequencies[pair]!;
      const cosine = isKnown ? cosines[angle]! : Math.fround(Math.cos(radians));
      const sine = direction * (isKnown ? sines[angle]! : Math.fround(Math.sin(radians)));
      const one = token * headSize + step * pair;
      const other = one + distance;
      const [a, b] = [x[one]!, x[other]!];
      x[one] = a * cosine - b * sine;
      x[other] = a * sine + b * cosine;
    }
};

/** Of some positions in a row, `[positions, pairs]`; in float32, as decoders compute them. */
export interface RopeAngles {
  readonly cosines: Float32Array;
  readonly sines: Float32Array;
}

/** Those of `count` positions from `position` on: views, which are valid for as long as the frequencies stay as they are. */
export const ropeAngles = (frequencies: ArrayLike<number>, position: number, count: number): RopeAngles => {
  const [start, end] = [position * frequencies.length, (position + count) * frequencies.length];
  const found = anglesUntil(frequencies, position + count);
  if (end > found.cosines.length) return anglesOf(frequencies, position, count);
  return { cosines: found.cosines.subarray(start, end), sines: found.sines.subarray(start, end) };
};

const known = new WeakMap<ArrayLike<number>, RopeAngles>();

/** Positions beyond these are computed anew each time. */
const MOST_POSITIONS = 2 ** 15;

/** Cosines and sines of as many positions as wanted, at most of {@link MOST_POSITIONS}; once for the same frequencies. */
const anglesUntil = (frequencies: ArrayLike<number>, positions: number): RopeAngles => {
  const wanted = Math.min(positions, MOST_POSITIONS) * frequencies.length;
  const found = known.get(frequencies);
  if (found && found.cosines.length >= wanted) return found;
  const angles = anglesOf(frequencies, 0, 2 ** Math.ceil(Math.log2(Math.min(positions, MOST_POSITIONS))));
  known.set(frequencies, angles);
  return angles;
};

const anglesOf = (frequencies: ArrayLike<number>, position: number, count: number): RopeAngles => {
  const pairs = frequencies.length;
  const [cosines, sines] = [new Float32Array(count * pairs), new Float32Array(count * pairs)];
  for (let index = 0; index < cosines.length; index++) {
    const angle = (position + Math.floor(index / pairs)) * frequencies[index % pairs]!;
    cosines[index] = Math.cos(angle);
    sines[index] = Math.sin(angle);
  }
  return { cosines, sines };
};
