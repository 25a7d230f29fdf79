// oxlint-disable no-underscore-dangle, import/no-default-export -- the names are ONNX Runtime's
/**
 * ONNX Runtime's WebAssembly with one more entry point. Its WebGPU provider reads its options when it is added to a session.
 * onnxruntime-web 1.30 passes on only those it knows, and sets those in `extra` afterwards, too late, without a warning. So
 * this module replaces the one that loads the WebAssembly (`env.wasm.wasmPaths.mjs`), and sets the entry in the session's
 * `logId`, `KEY=VALUE`, before any provider is added.
 */
import loadWebAssembly from "onnxruntime-web/ort-wasm-simd-threaded.asyncify.mjs";

const LOG_ID_ARGUMENT = 6;

const allocateText = (wasm, text) => {
  const size = wasm.lengthBytesUTF8(text) + 1;
  const address = wasm._malloc(size);
  wasm.stringToUTF8(text, address, size);
  return address;
};

const setEntry = (wasm, session, entry) => {
  const [key, value] = entry.split("=").map((text) => allocateText(wasm, text));
  if (wasm._OrtAddSessionConfigEntry(session, key, value) !== 0) throw new Error(`expected ${entry} to be taken`);
  [key, value].forEach((address) => wasm._free(address));
};

export default async (configuration) => {
  const wasm = await loadWebAssembly(configuration);
  const createOptions = wasm._OrtCreateSessionOptions;
  wasm._OrtCreateSessionOptions = (...words) => {
    const session = createOptions(...words);
    const entry = words[LOG_ID_ARGUMENT] ? wasm.UTF8ToString(words[LOG_ID_ARGUMENT]) : "";
    if (session !== 0 && entry.includes("=")) setEntry(wasm, session, entry);
    return session;
  };
  return wasm;
};
