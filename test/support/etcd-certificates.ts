// Makes a certificate authority and certificates for tests with node:crypto alone: enough of X.509 (RFC 5280) for TLS
// between programs on this machine. DER (X.690): every element is a tag, a length and its content.

import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import type { KeyObject } from 'node:crypto';

export interface Certificate {
  /** PEM. */
  readonly cert: Buffer;
  /** PEM, PKCS#8. */
  readonly key: Buffer;
}

export interface TestAuthority {
  readonly ca: Buffer;
  /** A certificate for localhost, 127.0.0.1 and ::1, good for servers and clients. */
  issue(commonName: string): Certificate;
}

export function makeAuthority(): TestAuthority {
  const name = 'causeway test authority';
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
  // basicConstraints: CA; keyUsage: keyCertSign, cRLSign.
  const extensions = [
    extension('551d13', sequence(boolean(true)), true),
    extension('551d0f', der(0x03, Buffer.from([1, 0x06])), true),
  ];
  const ca = certificate({ issuer: name, subject: name, publicKey, signer: privateKey, extensions });
  return {
    ca: pem('CERTIFICATE', ca),
    issue(commonName) {
      const own = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
      const dns = der(0x82, Buffer.from('localhost'));
      const v4 = der(0x87, Buffer.from([127, 0, 0, 1]));
      const v6 = der(0x87, Buffer.from('00000000000000000000000000000001', 'hex'));
      const cert = certificate({
        issuer: name,
        subject: commonName,
        publicKey: own.publicKey,
        signer: privateKey,
        // extKeyUsage: serverAuth, clientAuth; subjectAltName.
        extensions: [
          extension('551d25', sequence(oid('2b06010505070301'), oid('2b06010505070302'))),
          extension('551d11', sequence(dns, v4, v6)),
        ],
      });
      const key = own.privateKey.export({ type: 'pkcs8', format: 'pem' });
      return { cert: pem('CERTIFICATE', cert), key: Buffer.from(key) };
    },
  };
}

interface Fields {
  readonly issuer: string;
  readonly subject: string;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly extensions: readonly Buffer[];
}

function certificate({ issuer, subject, publicKey, signer, extensions }: Fields): Buffer {
  const ecdsaWithSha256 = sequence(oid('2a8648ce3d040302'));
  const serial = Buffer.concat([Buffer.from([0x01]), randomBytes(8)]);
  const body = sequence(
    der(0xa0, der(0x02, Buffer.from([2]))),
    der(0x02, serial),
    ecdsaWithSha256,
    nameOf(issuer),
    sequence(time(-1), time(1)),
    nameOf(subject),
    publicKey.export({ type: 'spki', format: 'der' }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign('sha256', body, signer);
  return sequence(body, ecdsaWithSha256, der(0x03, Buffer.concat([Buffer.from([0]), signature])));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  if (length < 0x80) return Buffer.concat([Buffer.from([tag, length]), content]);
  if (length < 0x100) return Buffer.concat([Buffer.from([tag, 0x81, length]), content]);
  return Buffer.concat([Buffer.from([tag, 0x82, length >> 8, length & 0xff]), content]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, Buffer.concat(parts));
}

function boolean(value: boolean): Buffer {
  return der(0x01, Buffer.from([value ? 0xff : 0]));
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, 'hex'));
}

function nameOf(commonName: string): Buffer {
  return sequence(der(0x31, sequence(oid('550403'), der(0x0c, Buffer.from(commonName)))));
}

function extension(id: string, value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [boolean(true)] : []), der(0x04, value));
}

/** UTCTime, that many days from now. */
function time(days: number): Buffer {
  const at = new Date(Date.now() + days * 86_400_000).toISOString();
  return der(0x17, Buffer.from(`${at.replace(/[-:T]/g, '').slice(2, 14)}Z`));
}

function pem(label: string, bytes: Buffer): Buffer {
  const lines = bytes.toString('base64').match(/.{1,64}/g) ?? [];
  return Buffer.from(`-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`);
}
