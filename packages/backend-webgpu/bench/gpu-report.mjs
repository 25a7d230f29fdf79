// The report of on-a-gpu.mjs as Markdown.

const conformanceText = ({ passed, failed, skipped, failures }) =>
  [
    `${passed} passed, ${failed} failed, ${skipped} skipped.${passed === 0 ? " Nothing was checked." : ""}`,
    ...failures.map(({ name, message }) => `- ${name}: ${message}`),
  ].join("\n");

const fenced = (text) => `\n\`\`\`\n${text}\n\`\`\``;

/** Benchmarks print Markdown. */
const measuredText = ({ text, error }) => [text, ...(error ? [`Failed:\n${fenced(error)}`] : [])].join("\n\n");

/** @param report what on-a-gpu.mjs writes as JSON */
export const gpuReportMarkdown = ({ node, conformance, decode, prefill }) =>
  [
    "# WebGPU on this machine's GPU",
    `Node ${node}.`,
    "## Conformance",
    conformanceText(conformance),
    "## Decode attention",
    measuredText(decode),
    "## Prompts",
    measuredText(prefill),
    "",
  ].join("\n\n");
