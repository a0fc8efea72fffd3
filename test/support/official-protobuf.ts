// cloudevents/formats/cloudevents.proto of CloudEvents 1.0.2, as protobufjs reads it, with the two messages that it imports
// written out: what our own Protobuf code is held against.

import protobuf from 'protobufjs';

const { root } = protobuf.parse(
  `syntax = "proto3";
   package io.cloudevents.v1;
   message Any { string type_url = 1; bytes value = 2; }
   message Timestamp { int64 seconds = 1; int32 nanos = 2; }
   message CloudEvent {
     string id = 1;
     string source = 2;
     string spec_version = 3;
     string type = 4;
     map<string, CloudEventAttributeValue> attributes = 5;
     oneof data {
       bytes binary_data = 6;
       string text_data = 7;
       Any proto_data = 8;
     }
     message CloudEventAttributeValue {
       oneof attr {
         bool ce_boolean = 1;
         int32 ce_integer = 2;
         string ce_string = 3;
         bytes ce_bytes = 4;
         string ce_uri = 5;
         string ce_uri_ref = 6;
         Timestamp ce_timestamp = 7;
       }
     }
   }`,
  { keepCase: true },
);

export const OFFICIAL_EVENT = root.lookupType('io.cloudevents.v1.CloudEvent');
