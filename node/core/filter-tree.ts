// Finds the filters that match a topic: a tree of levels, one node per distinct prefix of filters, so that the cost
// of a match grows with the topic's levels and wildcards, not with the number of filters.
//
// Nodes are four numbers each in one typed array, and three more in another for those that branch; edges are numbers in a hash
// table, a level's name is a part of a filter that goes through its node, and what a filter has beyond the level where it parts
// from all others makes no nodes: it is compared as text. Measured with 100,000 filters of real shapes (test/bench/matching),
// against objects with a Map of children each: less than half of the memory, nearly twice the matches a second.

import { invariant } from './errors.ts';
import { NumberTable, tagOf } from './number-table.ts';

export interface Filtered {
  readonly filter: string;
}

/** The values of one filter, where there is more than one. */
class Several<V> {
  list: V[];

  constructor(list: V[]) {
    this.list = list;
  }
}

const ROOT = 0;
/** No node has the root for a child. */
const NONE = 0;

// Of each node:
const PARENT = 0;
/** Of its level's name. */
const HASH = 1;
/** Where its level's name begins and ends in any filter that goes through it: two numbers of 16 bits. */
const SPAN = 2;
/** Where its branches begin in their array; or NONE; or LEAF. */
const BRANCHES = 3;
const STRIDE = 4;

/** It has no branches, and its one filter goes on beyond it. */
const LEAF = -1;

// Of the branches of a node:
/** The child for `+`. */
const PLUS = 0;
/** The child for `#`. */
const REST = 1;
/** How many children with names there are. */
const NAMED = 2;
const BRANCH_STRIDE = 3;

const FILTER_LENGTH_MAX = 0xffff;
const LEVELS_FIRST = 64;
/** Nodes grow by a quarter: what is spare takes as much memory as what is used. */
const GROWTH = 1.25;
/** Trees with fewer nodes than this are never rebuilt. */
const REBUILT_MIN = 1024;
/** Longer lists of values grow with room to spare, shorter ones by one. */
const EXACT_MAX = 16;

const SLASH = 0x2f;

export class FilterTree<V extends Filtered> {
  readonly #secret: number;
  #nodes = new Int32Array(STRIDE * 16);
  /**
   * By node: the values of the filter that ends there (or beyond it, for a leaf); where there are none, some filter that
   * goes or went through it, for the name.
   */
  #held: (V | Several<V> | string)[] = [''];
  #free: number[] = [];
  /** The first ones stay empty and are nobody's: what NONE reads. */
  #branches = new Int32Array(BRANCH_STRIDE * 8);
  #branchesEnd = BRANCH_STRIDE;
  /** All three numbers of which are NONE. */
  #branchesFree: number[] = [];
  /** Children with names, by parent and name. */
  #edges = this.#newEdges();
  #size = 0;
  /** Of the text read last: where each level begins (and, behind the last one, where another would), and its name's hash. */
  #starts = new Int32Array(LEVELS_FIRST + 1);
  #hashes = new Int32Array(LEVELS_FIRST);
  /** Branches that a match has still to look into: node and level by turns. */
  #waiting = new Int32Array(LEVELS_FIRST * 2);

  /**
   * `secret`: a whole number that is known to nobody who chooses filters. They come from whoever may subscribe, other
   * meshers too, and could otherwise be chosen so that all lie in one place of the hash table.
   */
  constructor(secret: number) {
    this.#secret = secret | 0;
  }

  /** Number of values. */
  get size(): number {
    return this.#size;
  }

  #newEdges(): NumberTable {
    return new NumberTable((node) =>
      edgeHash(this.#nodes[node * STRIDE + PARENT] ?? 0, this.#nodes[node * STRIDE + HASH] ?? 0),
    );
  }

  // ─────────────────────────────────────────────────────────── matching

  /** All values whose filter matches. */
  match(topic: string): V[] {
    const found: V[] = [];
    const levels = this.#read(topic);
    const starts = this.#starts;
    const hashes = this.#hashes;
    const nodes = this.#nodes;
    const branches = this.#branches;
    const { slots, tags } = this.#edges;
    const mask = slots.length - 1;
    let waiting = 0;
    let node = ROOT;
    let level = 0;
    if (topic.startsWith('$')) {
      // internal topics are not caught by a wildcard in the first level [MQTT-4.7.2-1]
      node = this.#named(ROOT, topic, 0);
      if (node === NONE) return found;
      level = 1;
    }
    // One loop, with a list of branches in the place of recursion, and `#named` written out: a third faster.
    for (;;) {
      const at = node * STRIDE;
      const fork = nodes[at + BRANCHES] ?? NONE;
      let next = NONE;
      if (fork === LEAF) {
        const beyond = ((nodes[at + SPAN] ?? 0) & 0xffff) + 1;
        if (matchesBeyond(this.#filterOf(node), beyond, topic, starts[level] ?? 0)) this.#give(node, found);
      } else {
        const rest = branches[fork + REST] ?? NONE;
        if (rest !== NONE) this.#give(rest, found);
        if (level === levels) this.#give(node, found);
        else {
          const start = starts[level] ?? 0;
          const hash = hashes[level] ?? 0;
          level++;
          const plus = branches[fork + PLUS] ?? NONE;
          if (plus !== NONE) {
            if (waiting + 2 > this.#waiting.length) this.#waiting = grown(this.#waiting, waiting * 2);
            this.#waiting[waiting++] = plus;
            this.#waiting[waiting++] = level;
          }
          if (branches[fork + NAMED] !== 0) {
            const end = (starts[level] ?? 0) - 1;
            const key = edgeHash(node, hash);
            const tag = tagOf(key);
            for (let slot = key & mask; tags[slot] !== 0; slot = (slot + 1) & mask) {
              if (tags[slot] !== tag) continue;
              const child = slots[slot] ?? NONE;
              const there = child * STRIDE;
              if (nodes[there + HASH] !== hash || nodes[there + PARENT] !== node) continue;
              if (!isName(this.#filterOf(child), nodes[there + SPAN] ?? 0, topic, start, end)) continue;
              next = child;
              break;
            }
          }
        }
      }
      if (next !== NONE) node = next;
      else if (waiting > 0) {
        level = this.#waiting[--waiting] ?? 0;
        node = this.#waiting[--waiting] ?? NONE;
      } else return found;
    }
  }

  #give(node: number, found: V[]): void {
    const held = this.#held[node];
    if (held instanceof Several) for (const value of held.list) found.push(value);
    else if (held !== undefined && typeof held !== 'string') found.push(held);
  }

  /** Finds the levels of a topic or filter; returns how many it has. */
  #read(text: string): number {
    const { length } = text;
    let level = 0;
    let hash = this.#secret;
    this.#starts[0] = 0;
    for (let at = 0; ; at++) {
      const char = at < length ? text.charCodeAt(at) : SLASH;
      if (char !== SLASH) {
        hash = Math.imul(hash ^ char, 0x01000193);
        hash ^= hash >>> 15;
        continue;
      }
      if (level === this.#hashes.length) {
        this.#hashes = grown(this.#hashes, level * 2);
        this.#starts = grown(this.#starts, level * 2 + 1);
      }
      this.#hashes[level++] = hash;
      this.#starts[level] = at + 1;
      if (at >= length) return level;
      hash = this.#secret;
    }
  }

  // Of the text read last:

  #endOf(level: number): number {
    return (this.#starts[level + 1] ?? 0) - 1;
  }

  /** `+`, `#`, or '' for a name. */
  #wildcard(text: string, level: number): string {
    const start = this.#starts[level] ?? 0;
    if (this.#endOf(level) !== start + 1) return '';
    const char = text.charAt(start);
    return char === '+' || char === '#' ? char : '';
  }

  #named(parent: number, text: string, level: number): number {
    const hash = this.#hashes[level] ?? 0;
    const nodes = this.#nodes;
    const { slots, tags } = this.#edges;
    const mask = slots.length - 1;
    const key = edgeHash(parent, hash);
    const tag = tagOf(key);
    for (let slot = key & mask; tags[slot] !== 0; slot = (slot + 1) & mask) {
      if (tags[slot] !== tag) continue;
      const child = slots[slot] ?? NONE;
      const at = child * STRIDE;
      if (nodes[at + HASH] !== hash || nodes[at + PARENT] !== parent) continue;
      const span = nodes[at + SPAN] ?? 0;
      if (isName(this.#filterOf(child), span, text, this.#starts[level] ?? 0, this.#endOf(level)))
        return child;
    }
    return NONE;
  }

  #child(parent: number, filter: string, level: number): number {
    const wildcard = this.#wildcard(filter, level);
    if (wildcard === '') return this.#named(parent, filter, level);
    const branches = this.#nodes[parent * STRIDE + BRANCHES] ?? NONE;
    return this.#branches[branches + (wildcard === '+' ? PLUS : REST)] ?? NONE;
  }

  /** One that goes through the node. */
  #filterOf(node: number): string {
    const held = this.#held[node] ?? '';
    if (typeof held === 'string') return held;
    return (held instanceof Several ? held.list[0] : held)?.filter ?? '';
  }

  #isLeaf(node: number): boolean {
    return this.#nodes[node * STRIDE + BRANCHES] === LEAF;
  }

  /** Where this filter's values are, if there are any. */
  #find(filter: string): number {
    const levels = this.#read(filter);
    let node = ROOT;
    for (let level = 0; level < levels; level++) {
      node = this.#child(node, filter, level);
      if (node === NONE || this.#isLeaf(node) || this.#wildcard(filter, level) === '#') return node;
    }
    return node;
  }

  /** One of the values with this very filter. */
  one(filter: string): V | undefined {
    const held = this.#held[this.#find(filter)];
    if (held instanceof Several) return held.list.find((value) => value.filter === filter);
    return held !== undefined && typeof held !== 'string' && held.filter === filter ? held : undefined;
  }

  // ─────────────────────────────────────────────────────────── change

  /** The caller adds a value once only. What a filter has behind a `#` means nothing. */
  add(value: V): void {
    const { filter } = value;
    invariant(filter.length <= FILTER_LENGTH_MAX, `a filter of ${filter.length} characters`);
    this.#size++;
    let node = ROOT;
    let levels = this.#read(filter);
    for (let level = 0; level < levels; level++) {
      const child = this.#child(node, filter, level);
      if (child === NONE) {
        this.#held[this.#grow(node, filter, level, levels)] = value;
        return;
      }
      if (this.#isLeaf(child)) {
        const other = this.#filterOf(child);
        if (other === filter) return this.#put(child, value);
        this.#moveDown(child, other, level + 1);
        levels = this.#read(filter);
      }
      node = child;
      if (this.#wildcard(filter, level) === '#') break;
    }
    this.#put(node, value);
  }

  #put(node: number, value: V): void {
    const held = this.#held[node] ?? '';
    if (typeof held === 'string') this.#held[node] = value;
    else if (!(held instanceof Several)) this.#held[node] = new Several([held, value]);
    else if (held.list.length < EXACT_MAX) held.list = [...held.list, value];
    else held.list.push(value);
  }

  /** A new child for a level of `filter`, which was read last. */
  #grow(parent: number, filter: string, level: number, levels: number): number {
    const wildcard = this.#wildcard(filter, level);
    const node = this.#free.pop() ?? this.#held.length;
    const at = node * STRIDE;
    if (at === this.#nodes.length) this.#nodes = grown(this.#nodes, STRIDE * Math.ceil((node + 1) * GROWTH));
    const nodes = this.#nodes;
    this.#held[node] = filter;
    nodes[at + PARENT] = parent;
    nodes[at + HASH] = this.#hashes[level] ?? 0;
    nodes[at + SPAN] = ((this.#starts[level] ?? 0) << 16) | this.#endOf(level);
    nodes[at + BRANCHES] = wildcard !== '#' && level + 1 < levels ? LEAF : NONE;
    const above = this.#branchesOf(parent);
    if (wildcard === '') {
      this.#branches[above + NAMED] = (this.#branches[above + NAMED] ?? 0) + 1;
      this.#edges.put(node);
    } else this.#branches[above + (wildcard === '+' ? PLUS : REST)] = node;
    return node;
  }

  /** Makes them where there are none. */
  #branchesOf(node: number): number {
    const known = this.#nodes[node * STRIDE + BRANCHES] ?? NONE;
    if (known !== NONE) return known;
    const made = this.#branchesFree.pop() ?? this.#branchesEnd;
    if (made === this.#branchesEnd) {
      this.#branchesEnd += BRANCH_STRIDE;
      if (made === this.#branches.length)
        this.#branches = grown(
          this.#branches,
          BRANCH_STRIDE * Math.ceil((made / BRANCH_STRIDE + 1) * GROWTH),
        );
    }
    this.#nodes[node * STRIDE + BRANCHES] = made;
    return made;
  }

  /** Another filter goes through this leaf: its own one goes on in a child. */
  #moveDown(leaf: number, filter: string, level: number): void {
    const held = this.#held[leaf] ?? '';
    this.#held[leaf] = filter;
    this.#nodes[leaf * STRIDE + BRANCHES] = NONE;
    const levels = this.#read(filter);
    this.#held[this.#grow(leaf, filter, level, levels)] = held;
  }

  /** False when the value was not there. Empty branches are cut off. */
  remove(value: V): boolean {
    const node = this.#find(value.filter);
    if (!this.#take(node, value)) return false;
    this.#size--;
    this.#cutOff(node);
    const used = this.#held.length;
    if (used > REBUILT_MIN && (used - this.#free.length) * 4 < used) this.#rebuild();
    return true;
  }

  #take(node: number, value: V): boolean {
    const held = this.#held[node];
    if (!(held instanceof Several)) {
      if (held !== value) return false;
      this.#held[node] = value.filter;
      return true;
    }
    const at = held.list.indexOf(value);
    if (at < 0) return false;
    held.list.splice(at, 1);
    const [first, second] = held.list;
    if (first !== undefined && second === undefined) this.#held[node] = first;
    return true;
  }

  #cutOff(from: number): void {
    let node = from;
    while (node !== ROOT && this.#isEmpty(node)) {
      const parent = this.#nodes[node * STRIDE + PARENT] ?? ROOT;
      this.#cutBranch(parent, node);
      this.#held[node] = '';
      this.#free.push(node);
      node = parent;
    }
  }

  #isEmpty(node: number): boolean {
    return typeof this.#held[node] === 'string' && (this.#nodes[node * STRIDE + BRANCHES] ?? NONE) <= NONE;
  }

  #cutBranch(parent: number, child: number): void {
    const at = this.#nodes[parent * STRIDE + BRANCHES] ?? NONE;
    const branches = this.#branches.subarray(at, at + BRANCH_STRIDE);
    if (branches[PLUS] === child) branches[PLUS] = NONE;
    else if (branches[REST] === child) branches[REST] = NONE;
    else {
      branches[NAMED] = (branches[NAMED] ?? 0) - 1;
      this.#edges.remove(child);
    }
    if (branches.some((branch) => branch !== NONE)) return;
    this.#nodes[parent * STRIDE + BRANCHES] = NONE;
    this.#branchesFree.push(at);
  }

  /** Most of what was here is gone: what is left does not keep its room. */
  #rebuild(): void {
    const left = this.#held;
    this.#nodes = new Int32Array(STRIDE * Math.ceil((left.length - this.#free.length) * GROWTH));
    this.#held = [''];
    this.#free = [];
    this.#branches = new Int32Array(BRANCH_STRIDE * 8);
    this.#branchesEnd = BRANCH_STRIDE;
    this.#branchesFree = [];
    this.#edges = this.#newEdges();
    this.#size = 0;
    for (const held of left) {
      if (held instanceof Several) for (const value of held.list) this.add(value);
      else if (typeof held !== 'string') this.add(held);
    }
  }
}

/** Low bits and high ones that depend on all of both. */
function edgeHash(parent: number, hash: number): number {
  const mixed = Math.imul(hash ^ Math.imul(parent, 0x9e3779b1), 0x85ebca6b);
  return mixed ^ (mixed >>> 15);
}

/** Whether the span of `filter` reads as `text` from `start` to `end`. */
function isName(filter: string, span: number, text: string, start: number, end: number): boolean {
  let from = span >>> 16;
  if ((span & 0xffff) - from !== end - start) return false;
  for (let at = start; at < end; at++) if (filter.charCodeAt(from++) !== text.charCodeAt(at)) return false;
  return true;
}

/** Whether what `filter` has from `beyond` on matches what `topic` has from `start` on; behind its end: nothing. */
function matchesBeyond(filter: string, beyond: number, topic: string, start: number): boolean {
  let from = beyond;
  for (let at = start; ;) {
    const wantedEnd = endOfLevel(filter, from);
    const wildcard = wantedEnd === from + 1 ? filter.charAt(from) : '';
    if (wildcard === '#') return true;
    if (at > topic.length) return false;
    const end = endOfLevel(topic, at);
    if (wildcard !== '+' && !isName(filter, (from << 16) | wantedEnd, topic, at, end)) return false;
    if (wantedEnd === filter.length) return end === topic.length;
    from = wantedEnd + 1;
    at = end + 1;
  }
}

function endOfLevel(text: string, start: number): number {
  const end = text.indexOf('/', start);
  return end < 0 ? text.length : end;
}

function grown(before: Int32Array, length: number): Int32Array<ArrayBuffer> {
  const after = new Int32Array(length);
  after.set(before);
  return after;
}
