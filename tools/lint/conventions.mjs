// House rules that oxlint has no rule for: names of constants and of checks, and the form of error messages.

const CONSTANT = /^[A-Z][A-Z0-9_]*$/;
const CHECK = /^(?:check|refuse|require|validate)[A-Z]/;
const NO_RESULT = /^(?:void$|Promise<void>$|asserts )/;

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

/** A function that throws on bad input is named assert..., and returns nothing. */
const assertName = {
  create: (context) => ({
    VariableDeclarator: ({ id, init }) => {
      if (init?.type !== "ArrowFunctionExpression" || id.type !== "Identifier") return;
      const result = init.returnType && context.sourceCode.getText(init.returnType.typeAnnotation);
      if (CHECK.test(id.name) || (/^assert[A-Z]/.test(id.name) && !NO_RESULT.test(result)))
        context.report({
          node: id,
          message: `name ${id.name} assert... if it throws on bad input and returns nothing, or say what it returns`,
        });
    },
  }),
};

/** A message, `${}` for each value in it; undefined for anything but a text with blanks. */
const textOf = (node) => {
  const text = node.type === "TemplateLiteral" ? node.quasis.map(({ value }) => value.cooked).join("${}") : node.value;
  return typeof text === "string" && text.includes(" ") ? text : undefined;
};

/** `expected X, got Y; do Z`: begins in lower case, ends without a full stop, and says what came. A value may say it. */
const errorMessage = {
  create: (context) => {
    const check = (node) => {
      const text = textOf(node);
      if (text === undefined) return;
      if (/^[A-Z][a-z]* /.test(text) || /\.\s*$/.test(text))
        context.report({ node, message: "begin an error message in lower case and end it without a full stop" });
      if (text.startsWith("expected ") && !/\b(?:got|but|found)\b|: |\$\{\}(?:;|$)/.test(text))
        context.report({ node, message: "say what came after what was expected: expected X, got Y; do Z" });
    };
    return {
      NewExpression: ({ callee, arguments: given }) => {
        if (callee.type === "Identifier" && callee.name.endsWith("Error")) given.forEach(check);
      },
      CallExpression: ({ callee, arguments: given }) => {
        if (callee.type === "Super") given.forEach(check);
      },
    };
  },
};

export default {
  meta: { name: "kvtuner" },
  rules: { "constant-case": constantCase, "assert-name": assertName, "error-message": errorMessage },
};
