// CloudEvent ↔ the CloudEvents Protobuf format 1.0 (io.cloudevents.v1.CloudEvent, cloudevents.proto of CloudEvents 1.0.2).
//
//   message CloudEvent {
//     string id = 1;  string source = 2;  string spec_version = 3;  string type = 4;
//     map<string, CloudEventAttributeValue> attributes = 5;
//     oneof data { bytes binary_data = 6;  string text_data = 7;  google.protobuf.Any proto_data = 8; }
//     message CloudEventAttributeValue { oneof attr {
//       bool ce_boolean = 1;  int32 ce_integer = 2;  string ce_string = 3;  bytes ce_bytes = 4;
//       string ce_uri = 5;  string ce_uri_ref = 6;  google.protobuf.Timestamp ce_timestamp = 7; } }
//   }
//   Timestamp { int64 seconds = 1;  int32 nanos = 2; }      a map entry is { key = 1;  value = 2 }
//
// A timestamp is a ce_timestamp only where decoding gives back the very same text (protobuf-timestamp.ts), else a
// ce_string, so that an offset or a precision that the publisher wrote is not lost. `time` and `dataschema` get their type
// back from their name; an *extension* with such a timestamp comes back as a string of the same text.
// Decoding takes foreign bytes: any order, unknown fields skipped, last one wins, as Protobuf says. Not supported:
// proto_data, whose Any only the publisher's schema could turn into one of the other formats.

import type { AttributeValue, CloudEvent, EventData } from '../core/cloud-event.ts';
import { invariant } from '../core/errors.ts';
import { ATTRIBUTES_MAX } from '../core/limits.ts';
import { ByteReader } from './byte-reader.ts';
import { ByteWriter } from './byte-writer.ts';
import { readTimestamp, timestampOf, writeTimestamp } from './protobuf-timestamp.ts';
import { BYTES, VARINT, readTag, skipField, tag } from './protobuf-fields.ts';
import { WireError } from './wire-error.ts';

const SPEC_VERSION = '1.0';
const RESERVED = new Set(['id', 'source', 'specversion', 'type', 'data', 'data_base64']);

export function encodeCloudEvent(event: CloudEvent): Uint8Array {
  const writer = new ByteWriter(256 + (event.data?.value.length ?? 0));
  writeCloudEvent(writer, event);
  return writer.finish();
}

export function writeCloudEvent(writer: ByteWriter, event: CloudEvent): void {
  writer.byte(tag(1, BYTES));
  writer.text(event.id);
  writer.byte(tag(2, BYTES));
  writer.text(event.source);
  writer.byte(tag(3, BYTES));
  writer.text(SPEC_VERSION);
  writer.byte(tag(4, BYTES));
  writer.text(event.type);
  for (const [name, value] of event.attributes) writeAttribute(writer, name, value);
  if (event.data?.type === 'binary') {
    writer.byte(tag(6, BYTES));
    writer.bytes(event.data.value);
  } else if (event.data) {
    writer.byte(tag(7, BYTES));
    writer.text(event.data.value);
  }
}

/** Binary data and binary attributes are views of `bytes`, which must not change afterwards. Throws WireError only. */
export function decodeCloudEvent(bytes: Uint8Array): CloudEvent {
  const reader = new ByteReader(bytes);
  const attributes = new Map<string, AttributeValue>();
  let id = '';
  let source = '';
  let specVersion = '';
  let type = '';
  let data: EventData | undefined;
  let entries = 0;
  while (reader.left > 0) {
    const { field, wireType } = readTag(reader);
    if (wireType !== BYTES || field === 0 || field > 8) {
      if (field <= 8) throw new WireError('bad-value', `field ${field} has the wire type ${wireType}`);
      skipField(reader, wireType);
      continue;
    }
    const length = readLength(reader);
    if (field === 1) id = reader.fixedText(length, length);
    else if (field === 2) source = reader.fixedText(length, length);
    else if (field === 3) specVersion = reader.fixedText(length, length);
    else if (field === 4) type = reader.fixedText(length, length);
    else if (field === 5) {
      if (++entries > ATTRIBUTES_MAX)
        throw new WireError('too-many', `more than ${ATTRIBUTES_MAX} attributes`);
      readAttribute(reader, length, attributes);
    } else if (field === 6) data = { type: 'binary', value: reader.fixedBytes(length) };
    else if (field === 7) data = { type: 'text', value: reader.fixedText(length, length) };
    else {
      throw new WireError(
        'unsupported-proto-data',
        'proto_data is not supported: send the message as binary_data',
      );
    }
  }
  if (id === '' || source === '' || type === '')
    throw new WireError('bad-value', 'id, source and type must not be empty');
  if (specVersion !== SPEC_VERSION) {
    throw new WireError(
      'unsupported-spec-version',
      `spec_version '${specVersion}': only ${SPEC_VERSION} is supported`,
    );
  }
  return { id, source, type, attributes, data };
}

/** Lengths of a byte, which nearly all attributes and their values can do with: the writer sees to the others. */
function writeAttribute(writer: ByteWriter, name: string, value: AttributeValue): void {
  writer.byte(tag(5, BYTES));
  const entry = writer.open(1);
  writer.byte(tag(1, BYTES));
  writer.text(name);
  writer.byte(tag(2, BYTES));
  const body = writer.open(1);
  writeValue(writer, value);
  writer.close(body, 1);
  writer.close(entry, 1);
}

/** A CloudEventAttributeValue. */
function writeValue(writer: ByteWriter, attribute: AttributeValue): void {
  switch (attribute.type) {
    case 'boolean':
      writer.byte(tag(1, VARINT));
      writer.byte(attribute.value ? 1 : 0);
      break;
    case 'integer':
      invariant(
        (attribute.value | 0) === attribute.value,
        `${attribute.value} is no CloudEvents integer (32 bits)`,
      );
      writer.byte(tag(2, VARINT));
      writer.int64(attribute.value);
      break;
    case 'binary':
      writer.byte(tag(4, BYTES));
      writer.bytes(attribute.value);
      break;
    case 'string':
    case 'uri':
    case 'uri-ref':
      writer.byte(tag(attribute.type === 'string' ? 3 : attribute.type === 'uri' ? 5 : 6, BYTES));
      writer.text(attribute.value);
      break;
    case 'timestamp': {
      const timestamp = timestampOf(attribute.value);
      writer.byte(tag(timestamp ? 7 : 3, BYTES));
      if (timestamp) writeTimestamp(writer, timestamp);
      else writer.text(attribute.value);
    }
  }
}

function readAttribute(reader: ByteReader, length: number, attributes: Map<string, AttributeValue>): void {
  const outer = reader.enter(length);
  let name = '';
  let value: AttributeValue | undefined;
  while (reader.left > 0) {
    const { field, wireType } = readTag(reader);
    if (field === 1 && wireType === BYTES) name = reader.fixedText(readLength(reader), length);
    else if (field === 2 && wireType === BYTES) value = readValue(reader, readLength(reader)) ?? value;
    else skipField(reader, wireType);
  }
  reader.leave(outer);
  if (name === '' || RESERVED.has(name))
    throw new WireError('bad-value', `an attribute may not be named '${name}'`);
  if (!value) throw new WireError('bad-value', `the attribute '${name}' has no value`);
  attributes.set(name, typedByName(name, value));
}

function readValue(reader: ByteReader, length: number): AttributeValue | undefined {
  const outer = reader.enter(length);
  let value: AttributeValue | undefined;
  while (reader.left > 0) {
    const { field, wireType } = readTag(reader);
    const wanted = field <= 2 ? VARINT : BYTES;
    if (field > 7) skipField(reader, wireType);
    else if (field === 0 || wireType !== wanted) {
      throw new WireError('bad-value', `field ${field} of an attribute has the wire type ${wireType}`);
    } else value = readTyped(reader, field);
  }
  reader.leave(outer);
  return value;
}

function readTyped(reader: ByteReader, field: number): AttributeValue {
  if (field === 1) {
    const { low, high } = reader.varint64();
    return { type: 'boolean', value: (low | high) !== 0 };
  }
  if (field === 2) return { type: 'integer', value: reader.varint64().low | 0 };
  const length = readLength(reader);
  if (field === 4) return { type: 'binary', value: reader.fixedBytes(length) };
  if (field === 7) return { type: 'timestamp', value: readTimestamp(reader, length) };
  const value = reader.fixedText(length, length);
  return { type: field === 3 ? 'string' : field === 5 ? 'uri' : 'uri-ref', value };
}

/** `time` and `dataschema` have their types by the specification, whatever the sender wrote them as. */
function typedByName(name: string, value: AttributeValue): AttributeValue {
  const type = name === 'time' ? 'timestamp' : name === 'dataschema' ? 'uri' : undefined;
  if (!type || value.type === type) return value;
  if (value.type === 'boolean' || value.type === 'integer' || value.type === 'binary') {
    throw new WireError('bad-value', `'${name}' must be a ${type}, not a ${value.type}`);
  }
  return { type, value: value.value };
}

/** Lengths may come in any form of varint from foreign encoders. */
function readLength(reader: ByteReader): number {
  const { low, high } = reader.varint64();
  if (high !== 0 || low > reader.left)
    throw new WireError('cut-short', `${low} bytes wanted, ${reader.left} are left`);
  return low;
}
