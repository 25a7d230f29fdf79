import { markdownTable } from "../shared.mjs";

const ratioTo = (rival, { totalMs }) => (rival ? (rival.totalMs / totalMs).toFixed(2) : "");

/** Rows of what ran, with the speedup over each of `rivals`, then what did not run, and why. */
export const gpuTable = ({ timed, refused, rivals, bandwidth }) => {
  const share = ({ bytes, totalMs }) => `${((100 * bytes) / (1e6 * totalMs * bandwidth)).toFixed(0)}%`;
  const head = ["", "MB", "ms", "host ms", "GB/s", ...(bandwidth ? ["of the bandwidth"] : []), "error"];
  const rows = timed.map((row) => [
    row.name,
    (row.bytes / 1e6).toFixed(2),
    row.totalMs.toFixed(3),
    row.hostMs.toFixed(3),
    (row.bytes / 1e6 / row.totalMs).toFixed(1),
    ...(bandwidth ? [share(row)] : []),
    row.error.toExponential(1),
    ...rivals.map((rival) => ratioTo(rival, row)),
  ]);
  const table = [[...head, ...rivals.map(({ name }) => `x ${name}`)], ...rows];
  const refusals = refused.map(({ name, reason }) => [name, reason, ...table[0].slice(2).map(() => "")]);
  return markdownTable([...table, ...refusals]);
};
