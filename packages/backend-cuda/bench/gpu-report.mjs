// The report of on-a-gpu.mjs as Markdown.

const number = (value, digits) => value.toFixed(digits);

const row = (cells) => `| ${cells.join(" | ")} |`;

const HEAD = ["Plan", "Arithmetic", "Cache, MB", "Kernels, µs", "Host, µs", "GB/s", "Share", "Over f16", "Call, µs"];

const resultRow = ({ bandwidth, f16Ms }, { plan, tensorCores, error, ...result }) => {
  const name = [`\`${plan}\``, tensorCores ? "tensor cores" : "float32"];
  if (error) return row([...name, error, ...Array(HEAD.length - 3).fill("")]);
  const { cacheBytes, kernelsMs, hostMs, isHostAhead, gigabytesPerSecond, callMs } = result;
  const share = bandwidth > 0 ? `${number((100 * gigabytesPerSecond) / bandwidth, 0)}%` : "";
  const overF16 = f16Ms > 0 ? `${number(f16Ms / kernelsMs, 2)}x` : "";
  const kernels = `${isHostAhead ? "" : "≤ "}${number(1000 * kernelsMs, 1)}`;
  const speed = [kernels, number(1000 * hostMs, 1), number(gigabytesPerSecond, 0), share, overF16];
  return row([...name, number(cacheBytes / 1e6, 1), ...speed, number(1000 * callMs, 1)]);
};

const conformanceText = ({ passed, failed, skipped, failures }) =>
  [
    `Conformance: ${passed} passed, ${failed} failed, ${skipped} skipped.`,
    ...failures.map(({ name, message }) => `- ${name}: ${message}`),
  ].join("\n");

const NOTES =
  "Kernels: by the clock of the GPU, which had work before them; ≤ where it waited for the host all the same. Host: to hand a call's kernels over.";

/** @param report what on-a-gpu.mjs writes as JSON */
export const gpuReportMarkdown = ({ device, node, conformance, bandwidth, decode }) => {
  const f16Ms = decode.results[0].kernelsMs;
  return [
    `# CUDA on ${device.name}`,
    `${device.architecture}, ${device.multiprocessors} multiprocessors, ${number(bandwidth, 0)} GB/s, kernels by ${device.kernels}, Node ${node}.`,
    conformanceText(conformance),
    `One token over ${decode.length} tokens, ${decode.batch} sequences of 32 query heads on 8 KV heads of 128, ${decode.calls} calls:`,
    [
      row(HEAD),
      row(HEAD.map((_, index) => (index < 2 ? "---" : "---:"))),
      ...decode.results.map((result) => resultRow({ bandwidth, f16Ms }, result)),
    ].join("\n"),
    NOTES,
    "",
  ].join("\n\n");
};
