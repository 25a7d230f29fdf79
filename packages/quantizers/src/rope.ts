/** How a rotary position embedding (RoPE) turns the head vectors of a layer. */
export interface Rope {
  /** Radians a token of each pair of channels, at most `headSize / 2` pairs. */
  readonly frequencies: ArrayLike<number>;
  /** The channels of pair `i`: `i` and `i + pairs`, or `2i` and `2i + 1`. Channels after the pairs are not turned. */
  readonly pairing: "halves" | "neighbours";
}

/** Turns head vectors by their positions, in place and in float32: `x` is `[tokens, headSize]`, its first token at `position`. */
export const rotate = (x: Float32Array, headSize: number, position: number, rope: Rope): void =>
  turn(x, headSize, position, rope, 1);

/** Undoes {@link rotate}. */
export const unrotate = (x: Float32Array, headSize: number, position: number, rope: Rope): void =>
  turn(x, headSize, position, rope, -1);

const turn = (
  x: Float32Array,
  headSize: number,
  position: number,
  { frequencies, pairing }: Rope,
  direction: 1 | -1,
): void => {
  const pairs = frequencies.length;
  const [step, distance] = pairing === "halves" ? [1, pairs] : [2, 1];
  for (let token = 0; token * headSize < x.length; token++)
    for (let pair = 0; pair < pairs; pair++) {
      const angle = direction * (position + token) * frequencies[pair]!;
      const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
      const one = token * headSize + step * pair;
      const other = one + distance;
      const [a, b] = [x[one]!, x[other]!];
      x[one] = a * cosine - b * sine;
      x[other] = a * sine + b * cosine;
    }
};
