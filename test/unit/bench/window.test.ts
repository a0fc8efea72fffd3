import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Window } from '../../bench/durable/window.ts';

function fullWindow(size: number): Window {
  const window = new Window(size);
  for (let i = 0; i < size; i++) window.enter();
  return window;
}

/** Whether it has resolved once everything that is due has run. */
async function hasResolved(promise: Promise<void>): Promise<boolean> {
  let resolved = false;
  void promise.then(() => (resolved = true));
  await new Promise(setImmediate);
  return resolved;
}

test('a window is full at its size, and has room again when half of it is free', async () => {
  const window = fullWindow(8);
  assert.equal(window.isFull, true);
  const room = window.whenHalfFree();
  for (let i = 0; i < 4; i++) window.leave();
  assert.equal(await hasResolved(room), false);
  window.leave();
  assert.equal(await hasResolved(room), true);
  assert.equal(window.isFull, false);
});

test('a window is empty when all have left it', async () => {
  const window = fullWindow(2);
  const empty = window.whenEmpty();
  window.leave();
  assert.equal(await hasResolved(empty), false);
  window.leave();
  assert.equal(await hasResolved(empty), true);
  await new Window(1).whenEmpty();
});

test('a failure ends the wait under way and every later one', async () => {
  const window = fullWindow(2);
  const room = window.whenHalfFree();
  window.fail(new Error('refused'));
  window.fail(new Error('a later one'));
  await assert.rejects(room, /refused/);
  window.leave();
  window.leave();
  await assert.rejects(window.whenEmpty(), /refused/);
  assert.equal(window.isFull, true);
});
