// What is used of qlobber, which brings no types.

declare module 'qlobber' {
  export interface QlobberOptions {
    readonly separator: string;
    readonly wildcard_one: string;
    readonly wildcard_some: string;
    /** Levels may be empty, as in MQTT. */
    readonly match_empty_levels: boolean;
  }

  export class Qlobber<V> {
    constructor(options: QlobberOptions);
    add(filter: string, value: V): this;
    remove(filter: string, value: V): this;
    match(topic: string): V[];
  }
}
