// What the page shows is as fresh as it says: it follows the stream, says when it is cut off, and comes back by itself.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDashboard } from './browser.ts';
import { healthyOverviewAt, largeOverviewAt, overviewAt } from './scripted-federation.ts';

test('the title says how many alarms there are, and new and past ones are announced', async (t) => {
  const { page, mesher, check } = await openDashboard(t);
  assert.match(await page.title(), /^\(5\) Overview – acme Causeway$/);
  const said = page.locator('main > p[aria-live=polite]');
  assert.equal(await said.textContent(), '', 'what was there at first is read with the page');

  mesher.show(healthyOverviewAt);
  await page.getByRole('heading', { name: 'Nothing is wrong' }).waitFor();
  assert.match(await page.title(), /^Overview – acme/);
  assert.match((await said.textContent()) ?? '', /5 of the alarms are over, 0 left/);

  mesher.show(overviewAt);
  await page.getByRole('heading', { name: '5 things to look at' }).waitFor();
  assert.match(
    (await said.textContent()) ?? '',
    /New alarm: No link from azure-ap-southeast1 to gcp-us-east1/,
  );
  check();
});

test('without the stream the page is seen to be old, says since when, and goes on when the mesher is back', async (t) => {
  const { page, mesher, check } = await openDashboard(t, '#/map', { everyMs: 500 });
  await page.getByText(/^Live, as aws-eu-west-1/).waitFor();
  mesher.setSilent(true);
  await page.locator('.app.is-stale').waitFor();
  await page.getByText(/Not live: from \d\d:\d\d:\d\d/).waitFor();
  assert.ok(
    await page.getByRole('heading', { name: '4 links to look at' }).isVisible(),
    'what came last is still there',
  );
  mesher.setSilent(false);
  await page.getByText(/^Live, as aws-eu-west-1/).waitFor();
  assert.equal(await page.locator('.is-stale').count(), 0);
  check(/status of 503|ERR_/);
});

test('a mesher that has no overview yet says why in its own words, and the page goes on when it has', async (t) => {
  const { page, mesher, open, check } = await openDashboard(t);
  mesher.setSilent(true);
  await page.reload();
  await page.getByRole('heading', { name: 'No overview yet' }).waitFor();
  await page.getByText('this mesher is still starting; try again shortly').waitFor();
  mesher.setSilent(false);
  await page.getByRole('heading', { name: '5 things to look at' }).waitFor();
  await open('#/map');
  check(/status of 503|ERR_/);
});

test('lists say whose part is missing, as long as somebody is silent', async (t) => {
  const { page, mesher, open, check } = await openDashboard(t);
  for (const view of ['#/subscriptions', '#/topics']) {
    mesher.show(overviewAt);
    await open(view);
    await page.getByText('1 mesher did not answer:').waitFor();
    await page.getByText(/gcp-us-east1.*It did not answer within 2 s/).waitFor();
    mesher.show(healthyOverviewAt);
    await page.getByText('1 mesher did not answer:').waitFor({ state: 'detached' });
  }
  check();
});

test('twelve clusters of three meshers fit on graph and map, and what was cut is said', async (t) => {
  const { page, mesher, open, check } = await openDashboard(t, '#/map');
  mesher.show((at) => largeOverviewAt(at, 12, 3));
  await page.locator('.card').nth(11).waitFor();
  const cards = await page.locator('.card-box').all();
  const boxes = (await Promise.all(cards.map((card) => card.boundingBox()))).filter((box) => box !== null);
  assert.equal(boxes.length, 12);
  for (const [at, one] of boxes.entries()) {
    for (const other of boxes.slice(at + 1)) {
      const apart =
        Math.abs(one.x - other.x) >= (one.width + other.width) / 2 ||
        Math.abs(one.y - other.y) >= (one.height + other.height) / 2;
      assert.ok(apart, 'two cards lie over each other');
    }
  }
  await open('#/map?as=world');
  await page.getByText('It is not known where these 6 clusters are').waitFor();
  await page.locator('.card').nth(5).waitFor();
  assert.equal(await page.locator('.card').count(), 6);
  await open('#/subscriptions');
  await page.getByText(/5 of 12,000 are here/).waitFor();
  check();
});
