// What somebody does who was woken at night and never saw this page: by mouse, and by keyboard alone.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openDashboard, tabTo } from './browser.ts';
import { NODES, WHY } from './scripted-federation.ts';

test('a link that is down is the first thing on the first page, and one click says since when, why and what to do', async (t) => {
  const { page, check } = await openDashboard(t);
  const first = page.locator('.alarm').first();
  assert.match(
    (await first.textContent()) ?? '',
    /Critical.*for 4 min.*No link from azure-ap-southeast1 to gcp-us-east1.*To do:/,
  );
  await first.getByRole('link').click();
  assert.equal(new URL(page.url()).hash, `#/map/link/${NODES.azure1}/${NODES.gcp1}`);
  const details = page.getByRole('complementary', { name: 'Details' });
  await details.getByText(WHY.down).waitFor();
  const text = (await details.textContent()) ?? '';
  for (const part of [
    /Down for 4 min, since \d\d:\d\d:\d\d/,
    /Waiting1,204 events/,
    /To do: See whether the mesher/,
  ])
    assert.match(text, part);
  check();
});

test('the same by keyboard, and the focus is at the new view', async (t) => {
  const { page, check } = await openDashboard(t);
  await page.keyboard.press('Tab');
  await page.keyboard.press('Enter'); // over all ways to the views, to the content
  await tabTo(page, /Show the link.*No link from azure/, 2);
  await page.keyboard.press('Enter');
  await page.getByText(WHY.down).waitFor();
  assert.equal(await page.evaluate<string>('document.activeElement.id'), 'main');
  check();
});

test('the map: a label on a line leads to the link, a card to its cluster, a mark to its mesher; the form stays', async (t) => {
  const { page, open, check } = await openDashboard(t, '#/map');
  await page
    .getByRole('link', {
      name: /^Down 4 min .*between azure-ap-southeast1 and gcp-us-east1, Down, 3 of 4 links/,
    })
    .click();
  await page.getByRole('heading', { name: 'azure-ap-southeast1 and gcp-us-east1' }).waitFor();
  await page
    .getByRole('link', { name: 'Cluster gcp-us-east1, 2 meshers' })
    .click({ position: { x: 30, y: 14 } });
  await page.getByRole('heading', { name: 'gcp-us-east1', exact: true }).waitFor();
  await open('#/map?as=world');
  await tabTo(page, /^Mesher g2 of gcp-us-east1: Silent/);
  await page.keyboard.press('Enter');
  await page.getByText('http://10.4.0.4:7400 cannot be reached').first().waitFor();
  assert.match(page.url(), /as=world$/);
  await page.getByRole('link', { name: 'Table' }).click();
  const rows = page.locator('tbody tr');
  assert.match((await rows.first().textContent()) ?? '', /Down/, 'the worst is first');
  await page.getByRole('searchbox').fill('slow azure');
  await page.locator('tbody tr').nth(1).waitFor({ state: 'detached' });
  assert.match((await rows.first().textContent()) ?? '', /Slow/);
  check();
});

test('a table sorts by its headers, by mouse and keyboard, and says so', async (t) => {
  const { page, check } = await openDashboard(t, '#/subscriptions');
  const names = (): Promise<string[]> => page.locator('tbody th').allTextContents();
  assert.deepEqual((await names()).slice(0, 2), ['archive', 'billing'], 'those that do not keep up first');
  await page.getByRole('button', { name: 'Waiting' }).click();
  assert.equal((await names())[0], 'billing');
  assert.equal(await page.locator('th[aria-sort=descending]').textContent(), 'Waiting▼');
  await page.getByRole('button', { name: 'Subscription' }).focus();
  await page.keyboard.press('Enter');
  assert.deepEqual(await names(), ['archive', 'billing', 'invoices', 'search-index', 'stock']);
  await page.getByLabel(/Only those that do not keep up/).check();
  assert.deepEqual(await names(), ['archive', 'billing']);
  await page.getByRole('link', { name: 'billing' }).click();
  await page.getByText(WHY.stuck).waitFor();
  await page.locator('.chart').nth(2).waitFor();
  check();
});

test('the last hour of anything, read off by arrow keys', async (t) => {
  const { page, check } = await openDashboard(t, '#/flow');
  const slider = page.getByRole('slider', { name: 'Time in Events per second' });
  await slider.focus();
  for (let step = 0; step < 6; step += 1) await page.keyboard.press('ArrowLeft');
  assert.match(
    (await slider.getAttribute('aria-valuetext')) ?? '',
    /^\d\d:\d\d:\d\d: published \d+\/s, delivered \d+\/s/,
  );
  await page.getByRole('combobox', { name: 'Of' }).selectOption({ label: 'billing (gcp-us-east1)' });
  await page.waitForURL(/subscription/);
  await page.getByText('age of the oldest').first().waitFor();
  await page.getByRole('combobox', { name: 'Of' }).selectOption({ label: 'orders/eu/created' });
  await page.waitForURL(/topic/);
  await page.getByRole('slider', { name: 'Time in Events per second' }).waitFor();
  check();
});

test('topics: who publishes, who listens, and the way to the dry run', async (t) => {
  const { page, check } = await openDashboard(t, '#/topics');
  const row = page.getByRole('row', { name: /orders\/eu\/created/ });
  assert.match((await row.textContent()) ?? '', /42\/s148,200aws-eu-west-1.*billing in gcp-us-east1/);
  assert.match((await page.getByRole('row', { name: /audit\/login/ }).textContent()) ?? '', /Nobody/);
  await row.getByRole('link', { name: 'orders/eu/created' }).click();
  await page.getByRole('link', { name: 'Where would an event go?' }).click();
  await page.getByText('would go to 1 subscription here and 1 place elsewhere').waitFor();
  check();
});

test('dry run: where an event would go and why not elsewhere; what is no topic is told in the words of the mesher', async (t) => {
  const { page, check } = await openDashboard(t, '#/dry-run');
  await page.getByRole('combobox', { name: 'Topic' }).fill('orders/eu/created');
  await page.keyboard.press('Enter');
  await page.getByText('by way of gcp-us-east1 / g1, 78 ms away').waitFor();
  await page.getByText('they want stock/+/changed').waitFor();
  await page.getByRole('combobox', { name: 'Topic' }).fill('orders/#');
  await page.getByRole('button', { name: 'Ask' }).click();
  await page.getByText('The topic is malformed').waitFor();
  assert.equal(
    await page.getByRole('link', { name: 'invalid-topic' }).getAttribute('href'),
    '/errors/invalid-topic',
  );
  await page.getByRole('combobox', { name: 'Topic' }).fill('audit/login');
  await page.keyboard.press('Enter');
  await page.getByText('would go nowhere: nobody wants it').waitFor();
  check(/status of 400/);
});

test('an event is found by source and id: its way hop by hop, and why it stopped', async (t) => {
  const { page, check } = await openDashboard(t, '#/find');
  await page.getByRole('textbox', { name: 'Source' }).fill('/shop');
  await page.getByRole('textbox', { name: 'Id' }).fill('order-4711');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: /It stopped in aws-eu-west-1/ }).waitFor();
  const hops = await page.locator('.hop-what').allTextContents();
  assert.deepEqual(hops.slice(0, 4), [
    'Published ',
    'On disk ',
    'Sent to aws-eu-west-1 / a1',
    'Landed from gcp-us-east1 / g1',
  ]);
  assert.match(hops.at(-1) ?? '', /dead letter.*invoices, try 5, because: webhook-status/);
  await page.getByText('1 mesher did not answer').waitFor();
  await page.getByRole('textbox', { name: 'Id' }).fill('nowhere');
  await page.getByRole('button', { name: 'Find' }).click();
  await page.getByRole('heading', { name: /No mesher that answered knows of this event/ }).waitFor();
  check();
});

test('dead letters: inspected one by one, dropped by choice, redriven by filter, and never without a question', async (t) => {
  const { page, mesher, check } = await openDashboard(t, '#/dead-letters');
  await page.getByText('37 dead letters').waitFor();
  await page.getByRole('link', { name: '/shop order-4711' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByText('"currency": "EUR"').waitFor();
  await page.keyboard.press('Escape');
  await dialog.waitFor({ state: 'detached' });

  await page.getByLabel('Choose /shop order-4711').check();
  await page.getByLabel('Choose /shop order-4712').check();
  await page.getByRole('button', { name: 'Drop 2 chosen' }).click();
  await page.getByRole('heading', { name: 'Drop 2 dead letters?' }).waitFor();
  assert.equal(
    await page.evaluate<string>('document.activeElement.textContent'),
    'Cancel',
    'Enter drops nothing',
  );
  await page.keyboard.press('Escape');
  assert.deepEqual(mesher.settled, []);
  await page.getByRole('button', { name: 'Drop 2 chosen' }).click();
  await dialog.getByRole('button', { name: 'Drop 2' }).click();
  await page.getByText('2 dead letters were dropped.').waitFor();
  const letters = ['a.0', 'a.1'].map((token) => ({ mesher: NODES.aws1, token }));
  assert.deepEqual(mesher.settled, [`drop ${JSON.stringify({ letters })}`]);

  await page.getByRole('combobox', { name: 'Cluster' }).selectOption('aws-eu-west-1');
  await page.getByRole('textbox', { name: 'Topic' }).fill('orders/us/#');
  await page.keyboard.press('Enter');
  await page.getByText(/^\d+ dead letters and more that fit the filter$/).waitFor();
  await page.getByRole('button', { name: 'Redrive all that fit the filter' }).click();
  await page.getByRole('heading', { name: 'Redrive 12 dead letters?' }).waitFor();
  await dialog.getByText('This concerns all with cluster aws-eu-west-1, topic orders/us/#').waitFor();
  await dialog.getByRole('button', { name: 'Redrive 12' }).click();
  await page.getByText('There are none.').waitFor();
  assert.equal(
    mesher.settled[1],
    `redrive ${JSON.stringify({ filter: { cluster: 'aws-eu-west-1', topic: 'orders/us/#' } })}`,
  );
  await page.getByRole('link', { name: 'Show all' }).click();
  await page.getByText(/^23 dead letters$/).waitFor();
  check();
});

test('more dead letters than one page come when they are asked for', async (t) => {
  const { page, check } = await openDashboard(t, '#/dead-letters');
  await page.getByRole('button', { name: 'Load more (12 left)' }).click();
  await page.locator('tbody tr').nth(36).waitFor();
  assert.equal(await page.getByRole('button', { name: /Load more/ }).count(), 0);
  check();
});

test('colours as chosen, over the next visit', async (t) => {
  const { page, open, check } = await openDashboard(t);
  const ground = (): Promise<string> =>
    page.evaluate<string>('getComputedStyle(document.body).backgroundColor');
  const light = await ground();
  await page.getByRole('combobox', { name: 'Colours' }).selectOption('Dark');
  await page.locator('html[data-theme=dark]').waitFor();
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  await open('#/topics');
  assert.equal(await ground(), dark);
  check();
});

test('on a narrow screen the views are behind a button that says so', async (t) => {
  const { page, check } = await openDashboard(t, '', { width: 360, height: 740 });
  const menu = page.getByRole('button', { name: /^Overview/ });
  assert.equal(await menu.getAttribute('aria-expanded'), 'false');
  await menu.click();
  await page.getByRole('link', { name: 'Subscriptions' }).first().click();
  await page.getByRole('heading', { name: 'Subscriptions' }).waitFor();
  assert.equal(
    await page.getByRole('button', { name: /^Subscriptions.*5 alarms/ }).getAttribute('aria-expanded'),
    'false',
  );
  check();
});

test('on a narrow screen what was chosen on the map comes into view, and the focus is never lost', async (t) => {
  const { page, check } = await openDashboard(t, '#/map', { width: 360, height: 640 });
  await page.getByRole('link', { name: /^Down 4 min .*between azure/ }).click();
  const heading = page.getByRole('heading', { name: 'azure-ap-southeast1 and gcp-us-east1' });
  await heading.waitFor();
  const box = await heading.boundingBox();
  assert.ok(box !== null && box.y > 40 && box.y < 400, `it is at ${String(box?.y)} of 640 pixels`);
  await page.getByRole('link', { name: 'azure-ap-southeast1 → gcp-us-east1 / g1' }).focus();
  await page.keyboard.press('Enter');
  await page.getByText(WHY.down).waitFor();
  await page.locator('main:focus, main :focus').waitFor();
  check();
});
