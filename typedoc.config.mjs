// Checks that every public symbol is documented (tools/check.mjs), and writes the reference: npx typedoc
import { entriesOf, root, workspaces } from "./tools/workspace.mjs";

/** @type {Partial<import("typedoc").TypeDocOptions>} */
export default {
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
  readme: "none",
  out: ".cache/reference",
  logLevel: "Warn",
};
