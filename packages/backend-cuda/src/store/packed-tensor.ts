import { heldBytes, type TensorBytes } from "@kvtuner/plan";
import type { ArgumentWriter } from "./argument-writer.ts";
import { PagedMemory } from "./paged-memory.ts";
import {
  CODE_PAGE_TOKENS,
  codePageBytes,
  EXACT_PAGE_TOKENS,
  exactPageBytes,
  prefixAt,
  type TensorLayout,
} from "./tensor-layout.ts";
import type { Workspace } from "./workspace.ts";

/** Keys or values of one layer: pages of codes after the sinks, and pages of 16-bit numbers for all other tokens. */
export class PackedTensor {
  readonly layout: TensorLayout;
  readonly codes: PagedMemory;
  readonly exact: PagedMemory;

  /** Creates an empty tensor. */
  constructor({ device, pool }: Workspace, layout: TensorLayout) {
    this.layout = layout;
    this.codes = new PagedMemory(device, pool, CODE_PAGE_TOKENS, codePageBytes(layout));
    this.exact = new PagedMemory(device, pool, EXACT_PAGE_TOKENS, exactPageBytes(layout));
  }

  /**
   * Allocates 16-bit pages for tokens `from .. to - 1`, and pages for the codes that they complete.
   *
   * @throws OutOfMemoryError
   */
  reserve(from: number, to: number): void {
    this.exact.reserve(from, to);
    this.codes.reserve(prefixAt(this.layout, from), prefixAt(this.layout, to));
  }

  /** Releases the pages that a cache of `length` tokens does not need. */
  settle(length: number): void {
    const { sinks } = this.layout.layer.residency;
    const prefix = prefixAt(this.layout, length);
    this.exact.release(sinks, sinks + prefix);
    this.exact.truncate(length);
    this.codes.truncate(prefix);
  }

  /** Bytes of `length` tokens in the allocated pages; counts only the tokens in use of a page. */
  bytes(length: number): TensorBytes {
    const { scheme, layer } = this.layout;
    const { sinks } = layer.residency;
    const prefix = prefixAt(this.layout, length);
    const exact = this.exact.held([
      [0, Math.min(sinks, length)],
      [Math.min(sinks, length) + prefix, length],
    ]);
    return heldBytes(scheme, this.layout, { coded: this.codes.held([[0, prefix]]), exact });
  }

  /** Tokens that are codes at length `from` but must be in 16 bits at the shorter length `to`, as `[begin, end)`. */
  reopened(from: number, to: number): readonly [begin: number, end: number] {
    const { sinks } = this.layout.layer.residency;
    return [sinks + prefixAt(this.layout, to), Math.min(to, sinks + prefixAt(this.layout, from))];
  }

  clear(): void {
    this.exact.clear();
    this.codes.clear();
  }

  /** Writes the `TensorView` of kernels/tensor.cuh. */
  writeView(writer: ArgumentWriter): ArgumentWriter {
    const { layout } = this;
    const { numbers, layer, kvHeads, headSize } = layout;
    return writer
      .address(this.codes.table())
      .address(this.exact.table())
      .integers(kvHeads, headSize, numbers.bits, numbers.groupSize)
      .flags(numbers.isChannel, numbers.hasMinima, numbers.isRotated)
      .integers(layer.residency.sinks);
  }
}
