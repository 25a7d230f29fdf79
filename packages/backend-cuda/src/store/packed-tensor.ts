import { heldBytes, type TensorBytes } from "@kvtuner/plan";
import type { ArgumentWriter } from "./argument-writer.ts";
import { PagedMemory } from "./paged-memory.ts";
import {
  CODE_PAGE_TOKENS,
  codePageBytes,
  EXACT_PAGE_TOKENS,
  encodedBetween,
  exactPageBytes,
  firstHeldAt,
  heldRanges,
  prefixAt,
  type TensorLayout,
  type TokenRange,
} from "./tensor-layout.ts";
import { DeviceTables } from "./transform-tables.ts";
import type { Workspace } from "./workspace.ts";

/** Codes in float32 on the device, as the view of attention has them. */
export interface Decoded {
  readonly address: number;
  readonly firstPage: number;
}

/** Keys or values of one layer: pages of codes after the sinks, and pages of 16-bit numbers for all other tokens. */
export class PackedTensor {
  readonly layout: TensorLayout;
  readonly codes: PagedMemory;
  readonly exact: PagedMemory;
  /** Of the codec `transform`; undefined for other codecs. */
  readonly tables: DeviceTables | undefined;

  /** Creates an empty tensor. */
  constructor({ device, pool }: Workspace, layout: TensorLayout) {
    this.layout = layout;
    this.codes = new PagedMemory(device, pool, CODE_PAGE_TOKENS, codePageBytes(layout));
    this.exact = new PagedMemory(device, pool, EXACT_PAGE_TOKENS, exactPageBytes(layout));
    this.tables = layout.transform && new DeviceTables(device, layout.transform);
  }

  /**
   * Allocates 16-bit pages for tokens `from .. to - 1`, and pages for the codes that they complete.
   *
   * @throws OutOfMemoryError
   */
  reserve(from: number, to: number): void {
    this.exact.reserve(from, to);
    this.codes.reserve(...encodedBetween(this.layout, from, to));
  }

  /** Releases the pages that a cache of `length` tokens does not need; see {@link heldRanges}. */
  settle(length: number, readLength: number): void {
    const { codes, before, after } = heldRanges(this.layout, length, readLength);
    this.exact.retain([before, after], length);
    this.codes.retain([codes], codes[1]);
  }

  /** Bytes of `length` tokens in the allocated pages; counts only the tokens in use of a page. */
  bytes(length: number): TensorBytes {
    const { codes, before, after } = heldRanges(this.layout, length);
    const held = { coded: this.codes.held([codes]), exact: this.exact.held([before, after]) };
    return heldBytes(this.layout.scheme, this.layout, held);
  }

  /** Tokens that are codes at length `from` but must be in 16 bits at the shorter length `to`. */
  reopened(from: number, to: number): TokenRange {
    const { sinks } = this.layout.layer.residency;
    const begin = Math.max(sinks + prefixAt(this.layout, to), firstHeldAt(this.layout, to));
    return [begin, Math.min(to, sinks + prefixAt(this.layout, from))];
  }

  clear(): void {
    this.exact.clear();
    this.codes.clear();
    this.tables?.clear();
  }

  /** Writes the `TensorView` of kernels/tensor.cuh, with codes as they were decoded if they were. */
  writeView(writer: ArgumentWriter, decoded?: Decoded): ArgumentWriter {
    const { layout } = this;
    const { numbers, layer, kvHeads, headSize } = layout;
    return writer
      .address(decoded?.address ?? this.codes.table())
      .address(this.exact.table())
      .integers(kvHeads, headSize, numbers.bits, numbers.groupSize)
      .flags(numbers.isChannel, numbers.hasMinima, numbers.isRotated)
      .integers(layer.residency.sinks, layout.transform?.rowWords ?? 0, decoded?.firstPage ?? 0);
  }
}
