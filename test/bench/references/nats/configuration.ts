// Configuration files of the two servers, as text. Everything that is not named here is NATS's default.
//
// Two regions, each with a JetStream of its own, are joined by a leaf node connection with one JetStream domain on each side,
// and the stream in B sources from A's domain: that is how NATS's documentation joins independent JetStreams. Servers joined by
// gateways share one domain instead, with one Raft group of all their servers for its metadata.

/** When JetStream syncs files: `default`, every two minutes; `always`, every write before its ack. */
export type Sync = 'default' | 'always';

export interface ServerSettings {
  readonly name: string;
  readonly port: number;
  readonly folder: string;
  readonly domain: string;
  readonly sync: Sync;
  /** `listen`: takes leaf nodes there. `join`: is one, of the server there. */
  readonly leafNodes: { readonly listen: number } | { readonly join: number };
}

export function serverConfiguration(settings: ServerSettings): string {
  const { name, port, folder, domain, sync, leafNodes } = settings;
  const leaves =
    'listen' in leafNodes
      ? `listen: "127.0.0.1:${leafNodes.listen}"`
      : `remotes: [ { urls: [ "nats-leaf://127.0.0.1:${leafNodes.join}" ] } ]`;
  return `server_name: ${name}
listen: "127.0.0.1:${port}"
log_file: ${JSON.stringify(`${folder}/${name}.log`)}
jetstream {
  store_dir: ${JSON.stringify(`${folder}/${name}`)}
  domain: ${domain}${sync === 'always' ? '\n  sync_interval: always' : ''}
}
leafnodes { ${leaves} }
`;
}
