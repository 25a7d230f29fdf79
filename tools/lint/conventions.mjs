// House rules that oxlint has no rule for: names of constants and of checks, and the form of error messages.

const CONSTANT = /^[A-Z][A-Z0-9_]*$/;
const CHECK = /^(?:check|refuse|require|validate)[A-Z]/;

/** Whether an expression consists of literals and constants alone. */
const isConstant = (node) => {
  if (node.type === "Literal") return typeof node.value !== "boolean" && node.value !== null;
  if (node.type === "UnaryExpression") return isConstant(node.argument);
  if (node.type === "BinaryExpression") return isConstant(node.left) && isConstant(node.right);
  return node.type === "Identifier" && CONSTANT.test(node.name);
};

/** `const TOKENS = 128`, not `const tokens = 128`, at the top of a module. */
const constantCase = {
  create: (context) => ({
    VariableDeclarator: (node) => {
      const { id, init, parent } = node;
      const isTop = parent.parent.type === "Program" || parent.parent.type === "ExportNamedDeclaration";
      if (!isTop || parent.kind !== "const" || id.type !== "Identifier" || !init || !isConstant(init)) return;
      if (!CONSTANT.test(id.name)) context.report({ node: id, message: `write the constant ${id.name} in UPPER_CASE` });
    },
  }),
};

/** A function that throws on bad input is named assert... */
const assertName = {
  create: (context) => ({
    VariableDeclarator: ({ id, init }) => {
      if (init?.type !== "ArrowFunctionExpression" || id.type !== "Identifier" || !CHECK.test(id.name)) return;
      context.report({
        node: id,
        message: `name ${id.name} assert... if it throws on bad input, or say what it returns`,
      });
    },
  }),
};

/** First and last words of a message, or undefined for anything but a text with blanks. */
const textOf = (node) => {
  if (node.type === "TemplateLiteral") {
    const parts = node.quasis.map(({ value }) => value.cooked);
    return parts.join(" ").includes(" ") ? { start: parts[0], end: parts.at(-1) } : undefined;
  }
  if (node.type !== "Literal" || typeof node.value !== "string" || !node.value.includes(" ")) return undefined;
  return { start: node.value, end: node.value };
};

/** `expected X, got Y; do Z`: begins in lower case and ends without a full stop. */
const errorMessage = {
  create: (context) => ({
    NewExpression: ({ callee, arguments: given }) => {
      if (callee.type !== "Identifier" || !callee.name.endsWith("Error")) return;
      for (const node of given) {
        const text = textOf(node);
        if (text && (/^[A-Z][a-z]* /.test(text.start) || /\.\s*$/.test(text.end)))
          context.report({ node, message: "begin an error message in lower case and end it without a full stop" });
      }
    },
  }),
};

export default {
  meta: { name: "kvtuner" },
  rules: { "constant-case": constantCase, "assert-name": assertName, "error-message": errorMessage },
};
