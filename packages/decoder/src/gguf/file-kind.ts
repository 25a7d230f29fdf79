/** Kind of a file that is not GGUF, and what to do with it. */
export interface FileKind {
  readonly what: string;
  readonly remedy: string;
}

/** Bytes from the start of a file that {@link fileKind} needs. */
export const KIND_BYTES = 64;

const GIVE_ANOTHER = "give a .gguf model file";

/** Kinds by the start of their files; the first match counts. */
const KINDS: readonly (readonly [start: RegExp, what: string, remedy: string])[] = [
  [
    /^version https:\/\/git-lfs/,
    "a Git LFS pointer, which stands for a model that was not fetched",
    "run `git lfs pull` in its repository, or download the file itself",
  ],
  [
    /^\s*<(!doctype|html|head|\?xml|!--)/i,
    "a web page",
    "download the file itself: the address led to a page, maybe one to sign in",
  ],
  [/^(lmgg|tjgg|algg|fmgg)/, "a model in llama.cpp's older format", "convert the model to GGUF"],
  [/^PK[^ -~]{2}/, "a zip archive, as PyTorch models are", "convert the model to GGUF, or unpack the archive"],
  [/^.{8}\{"/s, "a safetensors file", "convert the model to GGUF with llama.cpp's convert_hf_to_gguf.py"],
  [/^\s*[[{]/, "a JSON file", GIVE_ANOTHER],
];

/** Tells the kind of a file from its first bytes. */
export const fileKind = (start: Uint8Array): FileKind => {
  const text = Array.from(start, (byte) => String.fromCharCode(byte)).join("");
  const known = KINDS.find(([pattern]) => pattern.test(text));
  if (known) return { what: known[1], remedy: known[2] };
  const first = text.slice(0, 4);
  const hex = Array.from(start.subarray(0, 4), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return {
    what: `one that starts with ${/^[ -~]+$/.test(first) ? JSON.stringify(first) : `bytes ${hex}`}`,
    remedy: GIVE_ANOTHER,
  };
};
