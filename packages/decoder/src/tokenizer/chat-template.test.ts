import { fc, test as lawTest } from "@fast-check/vitest";
import { Template } from "@huggingface/jinja";
import { describe, expect, test } from "vitest";
import { type ChatMessage, chatTemplate } from "./chat-template.ts";
import { TokenizerError } from "./tokenizer-error.ts";

const TOKENS = ["<s>", "</s>"];

const rendered = (template: string, messages: readonly ChatMessage[] = [{ role: "user", content: "Hi" }]): string =>
  chatTemplate(
    new Map<string, unknown>([
      ["tokenizer.chat_template", template],
      ["tokenizer.ggml.bos_token_id", 0],
      ["tokenizer.ggml.eos_token_id", 1],
    ]),
    TOKENS,
  )(messages);

const failure = (template: string): unknown => {
  try {
    return rendered(template);
  } catch (error) {
    return error;
  }
};

describe("a template within its limits", () => {
  const messages = fc.array(
    fc.record({
      role: fc.constantFrom("system", "user", "assistant"),
      content: fc.string({ unit: "grapheme", maxLength: 40 }),
    }),
    { maxLength: 30 },
  );
  const templates = [
    "{{ bos_token }}{% for m in messages %}{{ m.role }}: {{ m['content'] | trim }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}>{% endif %}",
    "{% set ns = namespace(last=-1) %}{% for m in messages[1:] if m.role == 'user' %}{% set ns.last = loop.index0 %}{% endfor %}{{ ns.last }}",
    "{% macro turn(m, n=2) %}[{{ m.content | upper }}{{ n * 3 }}]{% endmacro %}{% for m in messages %}{{ turn(m) if not loop.last else turn(m, 5) }}{% endfor %}",
    "{{ messages | tojson(indent=2) }}{{ range(1, 9, 3) }}{{ range(3) | length }}{{ range(4, 0, -2) }}{{ none }}{{ True }}",
    "{% for m in messages | selectattr('role', 'equalto', 'user') %}{{ m.content.split(' ')[-1] ~ m.content[:3] }}{% else %}none{% endfor %}{{ strftime_now('%Y') }}",
  ];

  lawTest.prop([fc.constantFrom(...templates), messages])("gives what the library gives", (template, given) => {
    const variables = { messages: given, add_generation_prompt: true, bos_token: "<s>", eos_token: "</s>" };
    expect(rendered(template, given)).toBe(new Template(template).render(variables));
  });

  test("takes a conversation as long as a context", () => {
    const turns = Array.from({ length: 2000 }, (_, index) => ({
      role: index % 2 === 0 ? ("user" as const) : ("assistant" as const),
      content: "word ".repeat(1000),
    }));
    expect(rendered(templates[0]!, turns).length).toBeGreaterThan(9_900_000);
  });
});

describe("a template beyond its limits is refused", () => {
  const doubled = (statement: string): string => `{% set x = ['a'] %}${`{% set x = ${statement} %}`.repeat(60)}{{ x }}`;
  const namespaces = `{% set n0 = namespace(a='a') %}${Array.from(
    { length: 60 },
    (_, index) => `{% set n${index + 1} = namespace(a=n${index}, b=n${index}) %}`,
  ).join("")}{{ n60 }}`;
  test.for([
    ["nested loops", `${"{% for i in range(1000) %}".repeat(4)}x${"{% endfor %}".repeat(4)}`, /more than 255002 steps/],
    ["a list without end", "{% for i in range(1000000000) %}x{% endfor %}", /number beyond/],
    ["a long list", "{{ range(16000000) }}", /list of more than 65536/],
    ["a long list, backward", "{{ range(0, -16000000, -1) }}", /list of more than 65536/],
    ["a text that doubles", `{% set x = 'ab' %}${"{% set x = x + x %}".repeat(60)}{{ x }}`, /steps/],
    ["a text that doubles from call to call", "{% macro f(x) %}{{ f(x ~ x) }}{% endmacro %}{{ f('a') }}", /steps/],
    ["a list that doubles", doubled("x + x"), /steps|list of more/],
    ["a list that holds itself twice over", doubled("[x, x]"), /characters/],
    ["an object that does", doubled("{'a': x, 'b': x}"), /characters/],
    ["namespaces that do", namespaces, /namespace within/],
    ["a wide indentation", "{{ {'a': 1} | tojson(indent=500000000) }}", /number beyond/],
    ["a wide indentation that is computed", "{{ 'a\\nb' | indent(10 ** 8) }}", /number beyond/],
    ["a macro that calls itself", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", /more than 500 levels/],
    ["brackets in brackets", `{{ ${"(".repeat(50_000)}1${")".repeat(50_000)} }}`, /stack/],
    ["a long template", "{{ 1 }}".repeat(3_000_000), /at most 262144 characters, got 21000000/],
    ["white space", "\n \n".repeat(80_000), /white space in a row, got 240000/],
  ] as const)("%s", ([, template, message]) => {
    const error = failure(template);
    expect(error).toBeInstanceOf(TokenizerError);
    expect(error).toMatchObject({ code: "TOKENIZER_CHAT_TEMPLATE" });
    expect((error as Error).message).toMatch(message);
  });

  test("with the message of an exception that the template raises", () => {
    expect(failure("{{ raise_exception('roles must alternate') }}")).toHaveProperty(
      "message",
      expect.stringContaining("roles must alternate"),
    );
  });
});
