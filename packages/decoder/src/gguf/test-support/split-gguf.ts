import { type WritableGguf, writeGguf } from "./write-gguf.ts";

/**
 * The parts of a split model in memory, as llama.cpp's gguf-split writes them: the metadata is in the first part only.
 * `sizes` are the numbers of tensors; the last part has the rest too.
 */
export const splitGguf = ({ metadata, tensors }: WritableGguf, sizes: readonly number[]): Uint8Array[] => {
  let from = 0;
  return sizes.map((size, index) => {
    const until = index === sizes.length - 1 ? tensors.length : from + size;
    const position = { "split.no": index, "split.count": sizes.length, "split.tensors.count": tensors.length };
    const part = { metadata: { ...(index === 0 && metadata), ...position }, tensors: tensors.slice(from, until) };
    from = until;
    return writeGguf(part);
  });
};
