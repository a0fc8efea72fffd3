// The embedded registry's HTTP interface, shared by its server and its client. JSON both ways, errors as problem details
// (RFC 9457) with the catalogue's `code`. All paths begin with /v1/federations/{federation}:
//
//   POST   /revision                                            → {revision}     a number greater than all before
//   GET    /members                                             → {revision, members: [record]}
//   PUT    /members/{node}            {record, ttlMs, overwrite} → {lease}        null: a newer record is there
//   POST   /members/{node}/keep-alive {lease}                    → {kept}         false: put the record again
//   DELETE /members/{node}?lease=…                               → 204            lease may be left out
//   GET    /watch                                               → text/event-stream: `event: changed` when it stands and
//                                                                  whenever members may have changed; a comment every 10 s
//   GET    /settings?prefix=…                                   → {settings: [{key, value, revision}]}, ordered by key
//   GET    /setting?key=…                                       → {setting}      null: there is none
//   PUT    /setting                   {key, value, expected}    → {setting}      null: its revision was not `expected`
//   DELETE /setting?key=…&expected=…                            → {deleted}      false: its revision was not `expected`
//
// `expected` is the revision that the writer read, 0 for a key that must not exist. A key is in the query because `.` and
// `/` in a path do not survive every client. GET /v1/health answers 200 {status: "ok"} without a password. Where the
// server has a user and password, requests carry HTTP Basic (RFC 7617).

import { Type } from 'typebox';
import { REGISTRY_LIMITS } from '../limits.ts';
import { federationSchema, memberSchema, nodeSchema, revisionSchema } from '../record.ts';

/** Server to watcher: how often something is sent when nothing happens, so that a dead connection is noticed. */
export const watchBeatMs = 10_000;

const leaseSchema = Type.String({ minLength: 1, maxLength: 64 });
const settingSchema = Type.Object({ key: Type.String(), value: Type.String(), revision: revisionSchema });

export const federationParams = Type.Object({ federation: federationSchema });
export const memberParams = Type.Object({ federation: federationSchema, node: nodeSchema });

export const putMemberBody = Type.Object({
  record: memberSchema,
  ttlMs: Type.Integer({ minimum: REGISTRY_LIMITS.ttlMsMin, maximum: REGISTRY_LIMITS.ttlMsMax }),
  overwrite: Type.Union([Type.Literal('any'), Type.Literal('not-newer')]),
});
export const keepAliveBody = Type.Object({ lease: leaseSchema });
export const removeMemberQuery = Type.Object({ lease: Type.Optional(leaseSchema) });
export const listSettingsQuery = Type.Object({ prefix: Type.Optional(Type.String()) });
export const getSettingQuery = Type.Object({ key: Type.String() });
export const putSettingBody = Type.Object({
  key: Type.String(),
  value: Type.String(),
  expected: revisionSchema,
});
export const deleteSettingQuery = Type.Object({
  key: Type.String(),
  expected: Type.String({ pattern: '^[0-9]{1,16}$' }),
});

export const revisionAnswer = Type.Object({ revision: revisionSchema });
/** Records are looked at one by one, so that one bad record does not hide the others. */
export const membersAnswer = Type.Object({ revision: revisionSchema, members: Type.Array(Type.Unknown()) });
export const putMemberAnswer = Type.Object({ lease: Type.Union([leaseSchema, Type.Null()]) });
export const keepAliveAnswer = Type.Object({ kept: Type.Boolean() });
export const settingsAnswer = Type.Object({ settings: Type.Array(settingSchema) });
export const settingAnswer = Type.Object({ setting: Type.Union([settingSchema, Type.Null()]) });
export const deleteSettingAnswer = Type.Object({ deleted: Type.Boolean() });

export const problemAnswer = Type.Object({
  code: Type.String(),
  title: Type.String(),
  detail: Type.String(),
});
