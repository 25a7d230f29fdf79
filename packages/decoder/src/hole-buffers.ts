import { type CacheShape, holeShape, holesOf } from "@kvtuner/plan";
import type { HoleArrays, HoleInputs } from "./hole-inputs.ts";

type Name = keyof HoleArrays;

const NAMES: readonly Name[] = ["residual", "query", "key", "value"];

/**
 * Memory for the tensors that cross holes, used again at every second hole and by every pass. New tensors at every hole would be
 * memory outside JavaScript's heap, which is freed late.
 */
export class HoleBuffers {
  readonly #kinds: readonly string[];
  /** Numbers per row of each tensor, by the kind of hole. */
  readonly #widths = new Map<string, ReadonlyMap<Name, number>>();
  /** One set is read while the other is written. */
  readonly #sets: readonly [Map<Name, Float32Array>, Map<Name, Float32Array>] = [new Map(), new Map()];

  constructor(shape: CacheShape) {
    this.#kinds = holesOf(shape).map((hole) => JSON.stringify([holeShape(shape, hole), hole.sharing !== undefined]));
  }

  /** Notes the sizes of a hole's tensors, `[rows, ...]`. */
  note(hole: number, tensors: HoleInputs): void {
    const rows = tensors.residual.dims[0]!;
    this.#widths.set(
      this.#kinds[hole]!,
      new Map(NAMES.flatMap((name) => (tensors[name] ? [[name, tensors[name].size / rows]] : []))),
    );
  }

  /** Arrays for all tensors of a hole, not those of the hole before; undefined until a hole of its kind was noted. */
  arrays(hole: number, rows: number): HoleArrays | undefined {
    const widths = this.#widths.get(this.#kinds[hole]!);
    if (widths === undefined) return undefined;
    const set = this.#sets[hole % 2 === 0 ? 0 : 1];
    return Object.fromEntries(Array.from(widths, ([name, width]) => [name, held(set, name, rows * width)]));
  }
}

/** The first `size` numbers of a set's array, which grows if it is shorter. */
const held = (set: Map<Name, Float32Array>, name: Name, size: number): Float32Array => {
  const known = set.get(name);
  if (known !== undefined && known.length >= size) return known.subarray(0, size);
  const grown = new Float32Array(size);
  set.set(name, grown);
  return grown;
};
