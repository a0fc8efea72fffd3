// JSON in and out without losing digits: a number that a double cannot hold (a 64-bit id, a decimal amount) goes out as
// it came in. (JSON.parse source text access, ECMA-262 proposal shipped in V8, which Node 24 has.)

type Reviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

interface ExactJson {
  readonly parse: (text: string, reviver: Reviver) => unknown;
  readonly rawJSON: (text: string) => unknown;
}

const { parse, rawJSON } = JSON as unknown as ExactJson;

/** Only for values that are handed on to JSON.stringify: numbers that would change are opaque objects. */
export function parseExactJson(text: string): unknown {
  return parse(text, (_key, value, { source }) => {
    return typeof value === 'number' && source !== undefined && String(value) !== source
      ? rawJSON(source)
      : value;
  });
}
