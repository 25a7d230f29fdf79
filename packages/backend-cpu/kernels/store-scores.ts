/**
 * Stores the scores of a panel's 16 tokens, or adds them to what is there; returns the largest of them and of `largest`, lane
 * by lane.
 */
// @ts-ignore: decorator
@inline
export function storeScores(to: usize, a: v128, b: v128, c: v128, d: v128, adds: bool, largest: v128): v128 {
  if (adds) {
    a = f32x4.add(a, v128.load(to));
    b = f32x4.add(b, v128.load(to, 16));
    c = f32x4.add(c, v128.load(to, 32));
    d = f32x4.add(d, v128.load(to, 48));
  }
  v128.store(to, a);
  v128.store(to, b, 16);
  v128.store(to, c, 32);
  v128.store(to, d, 48);
  return f32x4.pmax(f32x4.pmax(largest, a), f32x4.pmax(b, f32x4.pmax(c, d)));
}
