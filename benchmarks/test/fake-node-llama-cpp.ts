import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";

/**
 * Installs a stand-in for node-llama-cpp where `bench` looks for it. It always says token 65, refuses keys of q4_0, and crashes
 * on keys of q5_0. Its state has llama.cpp's format.
 */
export const installFakeNodeLlamaCpp = (kvtunerHome: string): void => {
  const folder = join(kvtunerHome, "peers", "node_modules", "node-llama-cpp");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), JSON.stringify({ type: "module", version: "0.0.1", main: "fake.js" }));
  writeFileSync(join(folder, "fake.js"), FAKE);
};

const FAKE = `
import { readFileSync, writeFileSync } from "node:fs";

export const LlamaLogLevel = { error: "error" };

const sequence = {
  nextTokenIndex: 0,
  async *evaluate(ids) {
    for (let given = ids; ; ) {
      this.nextTokenIndex += given.length;
      given = [(yield 65) ?? 65];
    }
  },
  async evaluateWithoutGeneratingNewTokens(ids) {
    this.nextTokenIndex += ids.length;
  },
  async controlledEvaluate(input) {
    this.nextTokenIndex += input.length;
    const [, { generateNext }] = input.at(-1);
    const logits = new Map((generateNext.logits?.filter.tokens ?? []).map((id) => [id, id === 65 ? 3 : 1]));
    return [...input.slice(1).map(() => undefined), { next: { logits } }];
  },
  async eraseContextTokenRanges([{ start, end }]) {
    if (end !== this.nextTokenIndex) throw new Error("expected to erase the end");
    this.nextTokenIndex = start;
  },
  async saveStateToFile(path) {
    const cells = Array.from({ length: this.nextTokenIndex }, (_, index) => index);
    const words = [0x67677371, 3, cells.length, ...cells, 1, cells.length, ...cells.flatMap((p) => [p, 1, 0]), 0, 0];
    writeFileSync(path, new Uint8Array(Uint32Array.from(words).buffer));
  },
  async loadStateFromFile(path) {
    this.nextTokenIndex = readFileSync(path).readUInt32LE(8);
  },
};

export const getLlama = async () => ({
  llamaCppRelease: { release: "fake" },
  systemInfo: "CPU",
  loadModel: async () => ({
    createContext: async ({ experimentalKvCacheKeyType, threads }) => {
      if (experimentalKvCacheKeyType === "Q4_0") throw new Error("no such kernel");
      if (experimentalKvCacheKeyType === "Q5_0") {
        console.error("GGML_ASSERT failed");
        process.abort();
      }
      return { idealThreads: threads, getSequence: () => sequence };
    },
  }),
});
`;
