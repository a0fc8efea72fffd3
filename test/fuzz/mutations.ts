// How an input becomes another one: single bytes and numbers, pieces of itself and of others, words of the target's
// dictionary, lengths together with what they count, fields of Protobuf, values of JSON. Everything follows from chance.

import type { Chance } from '../simulation/chance.ts';
import type { Target } from './target.ts';

type Mutation = (input: Buffer, chance: Chance, others: Others) => Buffer;

export interface Others {
  readonly dictionary: readonly Uint8Array[];
  /** Another input of the corpus. */
  readonly other: () => Uint8Array;
}

const MUTATIONS_MAX = 6;
const NUMBERS = [
  0,
  1,
  127,
  128,
  255,
  256,
  1023,
  1024,
  4095,
  4096,
  4097,
  32_767,
  65_535,
  65_536,
  2 ** 31 - 1,
  2 ** 31,
  2 ** 32 - 1,
  2 ** 32,
  2 ** 53 - 1,
  2 ** 53,
  2 ** 63,
];
const DOUBLES = [...NUMBERS, -0, -1, 0.5, Number.NaN, Infinity, -Infinity, 8.64e15, 8.64e15 + 1, 5e-324];
/** Beginnings and wholes of characters, and what looks like one: where UTF-8 decoders go wrong. */
const CHARACTERS = [
  'c3a9',
  'c3',
  'e282ac',
  'e282',
  'f09f9880',
  'f09f98',
  'f09f',
  'eda080',
  'c080',
  'efbfbd',
  'efbbbf',
  'f4908080',
  '00',
  '0a',
  '0d0a',
  '7f',
  'c285',
  'ff',
].map((hex) => Buffer.from(hex, 'hex'));
const DEPTHS = [10, 100, 1_000, 8_000];
const REPEATED_BYTES_MAX = 64 * 1024;

/** A mutant of `input`, no longer than the target takes. */
export function mutate(target: Target, input: Uint8Array, chance: Chance, others: Others): Uint8Array {
  const ways = WAYS[target.shape];
  let mutant: Buffer = Buffer.from(input);
  let count = 1;
  while (count < MUTATIONS_MAX && chance.is(0.5)) count++;
  for (; count > 0; count--) mutant = chance.pick(ways)(mutant, chance, others);
  return mutant.subarray(0, target.bytesMax);
}

const flipBit: Mutation = (input, chance) => {
  if (input.length === 0) return input;
  const at = chance.below(input.length);
  input[at] = (input[at] ?? 0) ^ (1 << chance.below(8));
  return input;
};

const setByte: Mutation = (input, chance) => {
  if (input.length === 0) return input;
  const at = chance.below(input.length);
  input[at] = chance.is(0.3) ? chance.pick([0, 1, 0x7f, 0x80, 0xff]) : chance.below(256);
  return input;
};

const nudgeByte: Mutation = (input, chance) => {
  if (input.length === 0) return input;
  const at = chance.below(input.length);
  input[at] = ((input[at] ?? 0) + chance.pick([-2, -1, 1, 2])) & 0xff;
  return input;
};

const remove: Mutation = (input, chance) => {
  const [from, to] = someRange(input, chance);
  return splice(input, from, to, NOTHING);
};

const repeat: Mutation = (input, chance) => {
  const [from, to] = someRange(input, chance);
  const wanted = chance.is(0.1) ? chance.pick(DEPTHS) : 1 + chance.below(3);
  const times = Math.min(wanted, Math.ceil(REPEATED_BYTES_MAX / Math.max(1, to - from)));
  return splice(input, to, to, Buffer.concat(Array<Buffer>(times).fill(input.subarray(from, to))));
};

const insertRandom: Mutation = (input, chance) => {
  const bytes = Buffer.alloc(1 + chance.below(8));
  for (let i = 0; i < bytes.length; i++) bytes[i] = chance.below(256);
  const at = chance.below(input.length + 1);
  return splice(input, at, at, bytes);
};

const insertWord: Mutation = (input, chance, { dictionary }) => {
  if (dictionary.length === 0) return input;
  const word = chance.pick(dictionary);
  const at = chance.below(input.length + 1);
  return splice(input, at, chance.is(0.5) ? Math.min(input.length, at + word.length) : at, word);
};

const insertCharacter: Mutation = (input, chance) => {
  const word = chance.pick(CHARACTERS);
  const at = chance.below(input.length + 1);
  return splice(input, at, chance.is(0.5) ? Math.min(input.length, at + word.length) : at, word);
};

const cross: Mutation = (input, chance, { other }) => {
  const theirs = Buffer.from(other());
  const [from, to] = someRange(theirs, chance);
  const at = chance.below(input.length + 1);
  return splice(input, at, chance.is(0.5) ? input.length : at, theirs.subarray(from, to));
};

const cut: Mutation = (input, chance) => input.subarray(0, chance.below(input.length + 1));

const swap: Mutation = (input, chance) => {
  const [from, to] = someRange(input, chance);
  const piece = Buffer.from(input.subarray(from, to));
  const without = splice(input, from, to, NOTHING);
  const at = chance.below(without.length + 1);
  return splice(without, at, at, piece);
};

const setNumber: Mutation = (input, chance) => {
  const at = chance.below(input.length + 1);
  const number = chance.pick(NUMBERS);
  const bytes = chance.pick([big(number, 2), big(number, 4), varint(number), double(chance.pick(DOUBLES))]);
  return splice(input, at, Math.min(input.length, at + bytes.length), bytes);
};

const setVarint: Mutation = (input, chance) => {
  const at = chance.below(input.length + 1);
  let end = at;
  while (end < input.length && (input[end] ?? 0) >= 0x80) end++;
  return splice(input, at, Math.min(input.length, end + 1), varint(chance.pick(NUMBERS)));
};

/** Takes some byte for the length of what follows it, and changes both. */
const changeCounted: Mutation = (input, chance, others) => {
  for (let tries = 0; tries < 8; tries++) {
    const at = chance.below(input.length + 1);
    const length = input[at] ?? 0;
    if (length === 0 || length >= 0x80 || at + 1 + length > input.length) continue;
    const content = Buffer.from(input.subarray(at + 1, at + 1 + length));
    const changed = chance.pick(CONTENT)(content, chance, others).subarray(0, 0x7f);
    return splice(input, at, at + 1 + length, Buffer.concat([Buffer.of(changed.length), changed]));
  }
  return input;
};

const changeDigits: Mutation = (input, chance) => {
  const numbers = [...input.toString('latin1').matchAll(/\d+/g)];
  if (numbers.length === 0) return input;
  const { index, 0: digits } = chance.pick(numbers);
  const texts = [...NUMBERS.map(String), '-1', '-0', '1e999', '1.5', '00', '9'.repeat(400)];
  return splice(input, index, index + digits.length, Buffer.from(chance.pick(texts)));
};

/** A field of a Protobuf message, at any depth, with the lengths around it. */
const changeField: Mutation = (input, chance, others) => {
  const fields = protobufFields(input);
  if (fields.length === 0) return chance.pick(CONTENT)(input, chance, others);
  const place = chance.below(fields.length);
  const field = fields[place];
  if (field === undefined) return input;
  const before = input.subarray(0, field.start);
  const after = input.subarray(field.end);
  const whole = input.subarray(field.start, field.end);
  switch (chance.below(5)) {
    case 0:
      return Buffer.concat([before, after]);
    case 1:
      return Buffer.concat([before, whole, whole, after]);
    case 2:
      return Buffer.concat([after, before, whole]);
    default: {
      if (field.content < 0) return chance.pick(CONTENT)(input, chance, others);
      const content = Buffer.from(input.subarray(field.content, field.end));
      const changed = chance.pick(chance.is(0.5) ? [changeField] : CONTENT)(content, chance, others);
      return Buffer.concat([before, varint(field.tag), varint(changed.length), changed, after]);
    }
  }
};

const changeJson: Mutation = (input, chance, others) => {
  let value: unknown;
  try {
    value = JSON.parse(input.toString());
  } catch {
    return chance.pick(CONTENT)(input, chance, others); // not JSON any more
  }
  try {
    return Buffer.from(JSON.stringify(changedValue(value, chance, others, 0)));
  } catch {
    return input; // too deep to be written
  }
};

const nest: Mutation = (input, chance) => {
  const [open, close] = chance.pick([
    ['[', ']'],
    ['{"a":', '}'],
    ['[{"a":', '}]'],
    ['[', ''],
    ['{"data":', ''],
    ['(', ')'],
    ['- ', ''],
    ['a:\n ', ''],
  ] as const);
  const depth = chance.pick(DEPTHS);
  const [from, to] = someRange(input, chance);
  const inside = Buffer.concat([
    Buffer.from(open.repeat(depth)),
    input.subarray(from, to),
    Buffer.from(close.repeat(depth)),
  ]);
  return splice(input, from, to, inside);
};

const CONTENT: readonly Mutation[] = [
  flipBit,
  setByte,
  nudgeByte,
  remove,
  repeat,
  insertRandom,
  insertWord,
  insertCharacter,
  cross,
  cut,
  swap,
];
const BYTES: readonly Mutation[] = [...CONTENT, setNumber, setVarint, changeCounted, changeCounted];
const TEXT: readonly Mutation[] = [...CONTENT, insertWord, changeDigits, insertCharacter];

const WAYS: Readonly<Record<Target['shape'], readonly Mutation[]>> = {
  bytes: BYTES,
  protobuf: [...BYTES, changeField, changeField, changeField, changeField],
  text: [...TEXT, nest],
  json: [...TEXT, changeJson, changeJson, changeJson, changeJson, nest],
};

const NOTHING = Buffer.alloc(0);

function splice(input: Buffer, from: number, to: number, between: Uint8Array): Buffer {
  return Buffer.concat([input.subarray(0, from), between, input.subarray(to)]);
}

/** Mostly short. */
function someRange(input: Uint8Array, chance: Chance): [from: number, to: number] {
  const from = chance.below(input.length + 1);
  const length = Math.ceil(chance.skewed(0, input.length - from));
  return [from, from + length];
}

function big(number: number, bytes: number): Buffer {
  const value = Buffer.alloc(bytes);
  value.writeUIntBE(number % 2 ** (8 * bytes), 0, bytes);
  return value;
}

function double(number: number): Buffer {
  const value = Buffer.alloc(8);
  value.writeDoubleBE(number);
  return value;
}

function varint(number: number): Buffer {
  const bytes: number[] = [];
  let left = number;
  for (; left >= 0x80; left = Math.floor(left / 0x80)) bytes.push((left % 0x80) | 0x80);
  return Buffer.of(...bytes, left);
}

interface Field {
  readonly start: number;
  readonly end: number;
  readonly tag: number;
  /** Where its bytes begin; -1 where it has no length. */
  readonly content: number;
}

/** Fields as far as the bytes make sense. */
function protobufFields(bytes: Uint8Array): Field[] {
  const fields: Field[] = [];
  let at = 0;
  const read = (): number => {
    let value = 0;
    for (let scale = 1; at < bytes.length && scale < 2 ** 35; scale *= 0x80) {
      const byte = bytes[at++] ?? 0;
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) return value;
    }
    return -1;
  };
  while (at < bytes.length) {
    const start = at;
    const tag = read();
    const wireType = tag & 7;
    let content = -1;
    if (wireType === 2) {
      const length = read();
      content = at;
      at += length;
      if (length < 0) break;
    } else if (wireType === 0) read();
    else at += wireType === 1 ? 8 : 4;
    if (tag < 0 || at > bytes.length) break;
    fields.push({ start, end: at, tag, content });
  }
  return fields;
}

const VALUES: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  1.5,
  1e21,
  2 ** 31,
  -(2 ** 31) - 1,
  2 ** 53,
  '',
  'a',
  '#',
  '+',
  '/',
  '\u0000',
  '\ud800',
  '😀',
  '\ufffd',
  [],
  {},
  [[]],
];
const NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'length', '', 'a', 'data', 'data_base64'];
const DEPTH_MAX = 20;

function changedValue(value: unknown, chance: Chance, others: Others, depth: number): unknown {
  const inside = typeof value === 'object' && value !== null && depth < DEPTH_MAX && chance.is(0.75);
  if (!inside)
    return typeof value === 'string' && chance.is(0.6)
      ? changedText(value, chance, others)
      : other(chance, others);
  if (Array.isArray(value)) {
    const items: unknown[] = [...(value as unknown[])];
    const at = chance.below(items.length + 1);
    if (at === items.length)
      items.push(chance.is(0.5) && items.length > 0 ? chance.pick(items) : other(chance, others));
    else if (chance.is(0.2)) items.splice(at, 1);
    else items[at] = changedValue(items[at], chance, others, depth + 1);
    return items;
  }
  const entries = Object.entries<unknown>({ ...value });
  const at = chance.below(entries.length + 1);
  const [name, held] = entries[at] ?? [word(chance, others), other(chance, others)];
  if (at === entries.length) entries.push([name, held]);
  else if (chance.is(0.15)) entries.splice(at, 1);
  else if (chance.is(0.2)) entries[at] = [word(chance, others), held];
  else entries[at] = [name, changedValue(held, chance, others, depth + 1)];
  return Object.fromEntries(entries);
}

function changedText(text: string, chance: Chance, others: Others): string {
  return chance.pick(TEXT)(Buffer.from(text), chance, others).toString();
}

function other(chance: Chance, others: Others): unknown {
  return chance.is(0.3) ? word(chance, others) : chance.pick(VALUES);
}

function word(chance: Chance, { dictionary }: Others): string {
  if (dictionary.length === 0 || chance.is(0.3)) return chance.pick(NAMES);
  return Buffer.from(chance.pick(dictionary)).toString();
}
