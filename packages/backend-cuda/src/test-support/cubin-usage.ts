/** Resources that a kernel of a binary uses. */
export interface KernelUsage {
  /** 32-bit registers per thread. */
  readonly registers: number;
  /** Static shared memory. */
  readonly sharedBytes: number;
  /** Stack memory per thread: spilled registers and indexed arrays. */
  readonly stackBytes: number;
}

interface Section {
  readonly name: string;
  readonly offset: number;
  readonly sizeBytes: number;
}

/** Entries of the `.nv.info` section: a format byte, this attribute byte, the size of the rest, a symbol and a number. */
const REGISTER_COUNT = 0x2f;
const FRAME_SIZE = 0x11;
const WITH_SIZE = 4;

/** Reads the usage of each kernel, by name, from an ELF file of NVRTC. */
export const cubinUsage = (cubin: Uint8Array): ReadonlyMap<string, KernelUsage> => {
  const view = new DataView(cubin.buffer, cubin.byteOffset, cubin.byteLength);
  const sections = readSections(view);
  const names = symbolNames(view, sections);
  const attributes = readAttributes(
    view,
    sections.find(({ name }) => name === ".nv.info")!,
  );
  const usage = new Map<string, KernelUsage>();
  for (const [symbol, registers] of attributes.get(REGISTER_COUNT) ?? []) {
    const name = names[symbol]!;
    const shared = sections.find((section) => section.name === `.nv.shared.${name}`);
    const stackBytes = attributes.get(FRAME_SIZE)?.get(symbol) ?? 0;
    usage.set(name, { registers, sharedBytes: shared?.sizeBytes ?? 0, stackBytes });
  }
  return usage;
};

/** The section table of a 64-bit little-endian ELF file, with names from its name section. */
const readSections = (view: DataView): Section[] => {
  const table = Number(view.getBigUint64(0x28, true));
  const [entryBytes, count, nameIndex] = [0x3a, 0x3c, 0x3e].map((at) => view.getUint16(at, true)) as [
    number,
    number,
    number,
  ];
  const starts = Array.from({ length: count }, (_, index) => table + index * entryBytes);
  const offsetOf = (start: number): number => Number(view.getBigUint64(start + 0x18, true));
  const namesAt = offsetOf(starts[nameIndex]!);
  return starts.map((start) => ({
    name: text(view, namesAt + view.getUint32(start, true)),
    offset: offsetOf(start),
    sizeBytes: Number(view.getBigUint64(start + 0x20, true)),
  }));
};

const symbolNames = (view: DataView, sections: readonly Section[]): string[] => {
  const symbols = sections.find(({ name }) => name === ".symtab")!;
  const strings = sections.find(({ name }) => name === ".strtab")!;
  return Array.from({ length: symbols.sizeBytes / 24 }, (_, index) =>
    text(view, strings.offset + view.getUint32(symbols.offset + 24 * index, true)),
  );
};

const readAttributes = (view: DataView, { offset, sizeBytes }: Section): Map<number, Map<number, number>> => {
  const attributes = new Map<number, Map<number, number>>();
  for (let at = offset; at < offset + sizeBytes;) {
    const [format, attribute, size] = [view.getUint8(at), view.getUint8(at + 1), view.getUint16(at + 2, true)];
    if (format === WITH_SIZE && size === 8) {
      const numbers = attributes.get(attribute) ?? new Map<number, number>();
      attributes.set(attribute, numbers.set(view.getUint32(at + 4, true), view.getUint32(at + 8, true)));
    }
    at += 4 + (format === WITH_SIZE ? size : 0);
  }
  return attributes;
};

const text = (view: DataView, start: number): string => {
  let letters = "";
  for (let at = start; view.getUint8(at) !== 0; at++) letters += String.fromCharCode(view.getUint8(at));
  return letters;
};
