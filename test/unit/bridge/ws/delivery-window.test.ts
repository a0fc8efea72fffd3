import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DeliveryWindow } from '../../../../bridge/ws/delivery-window.ts';

const MIB = 1024 * 1024;

test('begins small and doubles while all of it is taken', () => {
  const window = new DeliveryWindow();
  const grants: number[] = [];
  for (let i = 0; i < 12; i++) {
    const grant = window.refill(Infinity, MIB);
    grants.push(grant);
    window.delivered(grant, grant * 10);
  }
  assert.deepEqual(grants, [32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 8192, 8192, 8192]);
});

test('grants no more than is wanted, and no more while that is out', () => {
  const window = new DeliveryWindow();
  assert.equal(window.refill(5, MIB), 5);
  assert.equal(window.refill(100, MIB), 27);
  assert.equal(window.refill(100, MIB), 0);
  window.delivered(10, 100);
  assert.equal(window.refill(100, MIB), 10);
});

test('keeps what is on its way within the bytes it is given, but for one event', () => {
  const window = new DeliveryWindow();
  window.delivered(window.refill(16, MIB), 16 * 100_000);
  assert.equal(window.refill(Infinity, MIB), 10);
  window.delivered(10, 10 * 100_000);
  assert.equal(window.refill(Infinity, 50_000), 1);
});

test('one large event is remembered for a while, and forgotten', () => {
  const window = new DeliveryWindow();
  window.delivered(window.refill(1, MIB), MIB);
  const grant = (): number => {
    const granted = window.refill(Infinity, MIB);
    window.delivered(granted, granted * 100);
    return granted;
  };
  assert.equal(grant(), 1);
  for (let i = 0; i < 400; i++) grant();
  assert.equal(grant(), 8192);
});
