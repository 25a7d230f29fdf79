export { comparisonColumns, renderComparison } from "./comparison.ts";
export type { ComparisonFiles } from "./comparison.ts";
export { reportData } from "./data/data.ts";
export type { ReportData, ReportView } from "./data/data.ts";
export { renderCharts, renderMarkdown, renderReport } from "./report.ts";
