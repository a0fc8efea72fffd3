import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { AttributeValue, CloudEvent } from '../../../../node/core/cloud-event.ts';
import { ATTRIBUTES_MAX } from '../../../../node/core/limits.ts';
import type { DecodedDelivery } from '../../../../node/core/ports.ts';
import { HttpCarrier } from '../../../../node/observe/otel/carrier.ts';
import { deliverSpanId, Tracer } from '../../../../node/observe/otel/traced-event.ts';
import { encodeCloudEvent } from '../../../../node/wire/cloud-event-protobuf.ts';
import { storedEvent } from '../../../support/events.ts';

const TRACE = '0af7651916cd43dd8448eb211c80319c';
const HEADER = `00-${TRACE}-b7ad6b7169203331-01`;
const SW8 = '1-My40LjU=-MS4yLjM=-4-c2VydmljZQ==-aW5zdGFuY2U=-L2FwcA==-MTI3LjAuMC4xOjgwODA=';
const token = { queue: 1, block: 2, index: 3, attempt: 1, session: undefined };

function event(attributes: Readonly<Record<string, string>> = {}): CloudEvent {
  const texts = Object.entries(attributes).map(([name, value]): [string, AttributeValue] => [
    name,
    { type: 'string', value },
  ]);
  return { id: '1', source: '/s', type: 't', attributes: new Map(texts), data: undefined };
}

function delivery(content: CloudEvent): DecodedDelivery {
  return { content, token, attempt: 1, event: storedEvent({ cloudEvent: encodeCloudEvent(content) }) };
}

function carrier(sampleRatio = 0): { carrier: HttpCarrier; tracer: Tracer; ignored: string[] } {
  const ignored: string[] = [];
  const note = (why: string): void => void ignored.push(why);
  const tracer = new Tracer(sampleRatio, note);
  return { carrier: new HttpCarrier('a', tracer, note), tracer, ignored };
}

const adopted = (given: CloudEvent, headers: Readonly<Record<string, string>>): Record<string, unknown> => {
  const [got] = carrier().carrier.adopt([given], headers);
  return Object.fromEntries([...(got?.attributes ?? [])].map(([name, { value }]) => [name, value]));
};

test("a request's context becomes attributes of events that have none", () => {
  const w3c = { traceparent: HEADER, tracestate: 'a=1' };
  assert.deepEqual(adopted(event({ subject: 'x' }), w3c), { subject: 'x', ...w3c });
  assert.deepEqual(adopted(event(), { traceparent: HEADER }), { traceparent: HEADER });
  assert.deepEqual(adopted(event(), { tracestate: 'a=1' }), {}, 'a state of nothing');
  assert.deepEqual(adopted(event({ traceparent: 'own' }), w3c), { traceparent: 'own' });
  assert.deepEqual(adopted(event({ tracestate: 'b=1' }), w3c), { tracestate: 'b=1' });
  assert.deepEqual(adopted(event({ traceparent: 'own' }), { sw8: SW8 }), { traceparent: 'own', sw8: SW8 });
  assert.deepEqual(adopted(event({ sw8: 'own' }), { sw8: SW8 }), { sw8: 'own' });
  const given = event();
  assert.equal(carrier().carrier.adopt([given], {})[0], given);
});

test('what is no context is left out and counted; an event with all the attributes that it may have keeps them', () => {
  const { carrier: it, ignored } = carrier();
  const [first] = it.adopt([event()], { traceparent: `${HEADER},${HEADER}`, tracestate: 'a=1', sw8: '2-' });
  assert.equal(first?.attributes.size, 0);
  const [second] = it.adopt([event()], { traceparent: HEADER, tracestate: 'A' });
  assert.deepEqual([...(second?.attributes.keys() ?? [])], ['traceparent']);
  assert.deepEqual(ignored, ['malformed-traceparent', 'malformed-sw8', 'malformed-tracestate']);
  const names = Array.from({ length: ATTRIBUTES_MAX }, (_, i) => [`a${i}`, '']);
  const full = event(Object.fromEntries(names) as Record<string, string>);
  assert.equal(it.adopt([full], { traceparent: HEADER })[0], full);
});

test("a delivery's headers name its own span; what is not traced goes on as it came", () => {
  const { carrier: it, tracer } = carrier();
  const content = event({ traceparent: HEADER, tracestate: 'a=1', sw8: SW8 });
  const { key = '' } = tracer.find(delivery(content).event) ?? {};
  const spanId = deliverSpanId(key, 'a', 'billing', token);
  const traceparent = `00-${TRACE}-${spanId}-01`;
  assert.deepEqual(it.headersFor('billing', delivery(content)), { traceparent, tracestate: 'a=1', sw8: SW8 });
  assert.notEqual(it.headersFor('other', delivery(content))['traceparent'], traceparent);
  const unsampled = HEADER.replace(/1$/, '0');
  assert.deepEqual(it.headersFor('billing', delivery(event({ traceparent: unsampled }))), {
    traceparent: unsampled,
  });
  assert.deepEqual(it.headersFor('billing', delivery(event({ traceparent: 'x\r\ny', sw8: 'x\r\ny' }))), {});
  assert.deepEqual(it.headersFor('billing', delivery(event())), {});
  const chosen = carrier(1).carrier.headersFor('billing', delivery(event()));
  assert.match(chosen['traceparent'] ?? '', /^00-[0-9a-f]{32}-[0-9a-f]{16}-01$/);
});
