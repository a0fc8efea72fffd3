// Where the parts of a JSON text begin and end, so that a part can be passed on as the very text that came. Only for
// text that JSON.parse has accepted: nothing is checked here. Walks, never recurses: depth costs no stack.

/** A member of an object, or an element of an array (`name` is then ''), as its place in the text. */
export interface Span {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

const BRACKET_OR_QUOTE = /["[\]{}]/g;
const SCALAR_END = /[\s,\]}]|$/g;
const NOT_SPACE = /\S|$/g;

/** The members or elements of the object or array that starts at the first character that is no space. */
export function spansOf(json: string): Span[] {
  const spans: Span[] = [];
  let at = seek(NOT_SPACE, json, 0);
  const isObject = json[at] === '{';
  at = seek(NOT_SPACE, json, at + 1);
  while (at < json.length && json[at] !== '}' && json[at] !== ']') {
    let name = '';
    if (isObject) {
      const end = stringEnd(json, at);
      name = json.slice(at + 1, end - 1);
      if (name.includes('\\')) name = JSON.parse(json.slice(at, end)) as string;
      at = seek(NOT_SPACE, json, seek(NOT_SPACE, json, end) + 1); // over the colon
    }
    const end = valueEnd(json, at);
    spans.push({ name, start: at, end });
    at = seek(NOT_SPACE, json, end);
    if (json[at] === ',') at = seek(NOT_SPACE, json, at + 1);
  }
  return spans;
}

function valueEnd(json: string, start: number): number {
  const first = json[start];
  if (first === '"') return stringEnd(json, start);
  if (first !== '{' && first !== '[') return seek(SCALAR_END, json, start);
  let depth = 0;
  let at = start;
  do {
    at = seek(BRACKET_OR_QUOTE, json, at);
    const char = json[at];
    if (char === '"') at = stringEnd(json, at) - 1;
    else depth += char === '{' || char === '[' ? 1 : -1;
    at += 1;
  } while (depth > 0 && at < json.length);
  return at;
}

/** One past the closing quote of the string whose opening quote is at `start`. */
function stringEnd(json: string, start: number): number {
  let quote = start;
  for (;;) {
    quote = json.indexOf('"', quote + 1);
    if (quote < 0) return json.length;
    let slashes = 0;
    while (json[quote - 1 - slashes] === '\\') slashes += 1;
    if (slashes % 2 === 0) return quote + 1;
  }
}

function seek(pattern: RegExp, json: string, from: number): number {
  pattern.lastIndex = from;
  return pattern.exec(json)?.index ?? json.length;
}
