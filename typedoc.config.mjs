// The documentation site: the guides, and every public symbol, which must be documented (tools/docs.mjs).
import { entriesOf, root, workspaces } from "./tools/workspace.mjs";

/** @type {Partial<import("typedoc").TypeDocOptions>} */
export default {
  // TypeDoc links interfaces that extend computed types to places this page does not have.
  includeHierarchySummary: false,
  name: "KVTuner",
  tsconfig: "tsconfig.docs.json",
  entryPoints: workspaces().flatMap(({ folder, manifest }) =>
    entriesOf(manifest).map(({ source }) => `${folder}/${source.replace("./", "")}`),
  ),
  packagesRequiringDocumentation: workspaces().map(({ manifest }) => manifest.name),
  requiredToBeDocumented: ["Function", "Class", "Interface", "TypeAlias", "Variable"],
  validation: { notDocumented: true, invalidLink: true, notExported: false },
  treatValidationWarningsAsErrors: true,
  skipErrorChecking: true, // types are their own check
  excludeInternal: true,
  disableGit: true,
  gitRevision: "main",
  sourceLinkTemplate: "https://github.com/kvtuner/kvtuner/blob/{gitRevision}/{path}#L{line}",
  basePath: root,
  readme: "README.md",
  projectDocuments: [
    "{packages,apps,examples}/*/README.md",
    "docs/*.md",
    "docs/benchmarks/*.md",
    "docs/decisions/*.md",
    "packages/*/docs/*.md",
    "CONTRIBUTING.md",
  ],
  logLevel: "Warn",
};
