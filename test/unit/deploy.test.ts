// Alerts and dashboard ask for metrics, labels and values that are there, and say what to do.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type MetricFacts, METRICS } from '../../node/core/metric-catalogue.ts';
import { PREFIX } from '../../node/http/metrics.ts';
import { panelExpressions, readAlerts, readDashboard } from '../support/monitoring.ts';

const families = new Map<string, MetricFacts>(Object.entries(METRICS));
/** That Prometheus adds itself. */
const TARGET_LABELS = ['instance', 'job'];
const PARTS = ['_bucket', '_sum', '_count'];

/** Family and labels of what an expression calls by this name. */
function familyOf(
  metric: string,
): { name: string; facts: MetricFacts; labels: Map<string, unknown> } | undefined {
  const name = metric.slice(PREFIX.length);
  const part = PARTS.find((suffix) => name.endsWith(suffix) && families.has(name.slice(0, -suffix.length)));
  const base = part === undefined ? name : name.slice(0, -part.length);
  const facts = families.get(base);
  if (!facts || (facts.type === 'histogram') !== (part !== undefined)) return undefined;
  const labels = new Map<string, unknown>(facts.labels);
  for (const label of TARGET_LABELS) labels.set(label, undefined);
  if (part === '_bucket') labels.set('le', undefined);
  return { name: base, facts, labels };
}

/** What is wrong with an expression, and the labels that its results can have. */
function check(expr: string): { faults: string[]; labels: Set<string> } {
  const faults: string[] = [];
  const known = new Set<string>();
  const selectors = [...expr.matchAll(/(causeway_\w+)(?:\{([^}]*)\})?(\[)?/g)];
  if (selectors.length === 0) faults.push('no metric of ours');
  for (const [, metric = '', matchers = '', range] of selectors) {
    const family = familyOf(metric);
    if (!family) {
      faults.push(`no metric ${metric}`);
      continue;
    }
    for (const label of family.labels.keys()) known.add(label);
    const isCounted = family.facts.type !== 'gauge';
    if (isCounted && range === undefined) faults.push(`${metric} is a counter: of use only as a rate`);
    for (const [, label = '', operator, value = ''] of matchers.matchAll(/(\w+)(=~|!~|!=|=)"([^"]*)"/g)) {
      const values = family.labels.get(label);
      if (!family.labels.has(label)) faults.push(`${metric} has no label ${label}`);
      if (typeof values !== 'object' || values === null) continue;
      const named = operator === '=~' || operator === '!~' ? value.split('|') : [value];
      for (const one of named) if (!(one in values)) faults.push(`${label} of ${metric} is never ${one}`);
    }
  }
  let left = known;
  for (const [, how, list = ''] of expr.matchAll(/\b(by|without|on|ignoring|group_left)\s*\(([^)]*)\)/g)) {
    const labels = list.split(',').map((label) => label.trim());
    for (const label of labels) if (!known.has(label)) faults.push(`${how ?? ''} (${label}): no such label`);
    if (how === 'by') left = new Set(labels);
    if (how === 'without') left = new Set([...left].filter((label) => !labels.includes(label)));
  }
  return { faults, labels: left };
}

test('an expression is held against metrics, labels and values', () => {
  for (const [expr, fault] of [
    ['causeway_link_upp == 0', 'no metric causeway_link_upp'],
    ['causeway_link_up{cloister="a"}', 'causeway_link_up has no label cloister'],
    ['causeway_members{status="gone"}', 'status of causeway_members is never gone'],
    [
      'rate(causeway_events_dropped_total{reason=~"loop|sloth"}[5m])',
      'reason of causeway_events_dropped_total is never sloth',
    ],
    ['sum by (lane) (causeway_lanes)', 'by (lane): no such label'],
    [
      'causeway_events_dropped_total > 0',
      'causeway_events_dropped_total is a counter: of use only as a rate',
    ],
    ['causeway_event_loop_delay_seconds', 'no metric causeway_event_loop_delay_seconds'],
    ['up', 'no metric of ours'],
  ] as const)
    assert.deepEqual(check(expr).faults, [fault]);
  const fine = check('max without (peer, cluster) (causeway_link_up{instance=~"$mesher"}) == 0');
  assert.deepEqual(fine, { faults: [], labels: new Set(TARGET_LABELS) });
});

test('alerts ask for what is there, and say what is wrong and what to do', () => {
  for (const { alert, expr, labels, annotations } of readAlerts()) {
    const checked = check(expr);
    assert.deepEqual(checked.faults, [], alert);
    assert.match(labels['severity'] ?? '', /^(critical|warning)$/, alert);
    const { summary = '', description = '' } = annotations;
    assert.match(summary, /\$labels\.instance/, `${alert}: who`);
    assert.ok(description.length > 80, `${alert}: what to do`);
    for (const [, label = ''] of `${summary}${description}`.matchAll(/\$labels\.(\w+)/g))
      assert.ok(checked.labels.has(label), `${alert} has no label ${label} left`);
    for (const [, metric = ''] of description.matchAll(/(causeway_\w+)/g))
      assert.ok(familyOf(metric), metric);
  }
});

test('each alert is tried: it fires in test/integration/prometheus/rules.test.yml', () => {
  const tests = readFileSync(join(import.meta.dirname, '../integration/prometheus/rules.test.yml'), 'utf8');
  const alerts = readAlerts().map(({ alert }) => alert);
  assert.equal(new Set(alerts).size, alerts.length);
  for (const alert of alerts) assert.ok(tests.includes(`alertname="${alert}"`), alert);
});

test('the dashboard asks for what is there, of the meshers that were chosen', () => {
  const dashboard = readDashboard();
  for (const { where, expr } of panelExpressions(dashboard)) {
    assert.deepEqual(check(expr).faults, [], where);
    for (const [selector] of expr.matchAll(/causeway_\w+(\{[^}]*\})?/g))
      assert.match(selector, /instance=~"\$mesher"/, `${where}: ${selector}`);
  }
  for (const { title, targets = [] } of dashboard.panels) {
    for (const { expr, legendFormat = '' } of targets) {
      for (const [, label = ''] of legendFormat.matchAll(/\{\{(\w+)\}\}/g))
        assert.ok(check(expr).labels.has(label), `${title} has no ${label} left`);
    }
  }
});

test('the dashboard has its variables, and panels that do not overlap', () => {
  const { templating, panels } = readDashboard();
  assert.deepEqual(
    templating.list.map(({ name }) => name),
    ['datasource', 'cluster', 'mesher'],
  );
  for (const { definition } of templating.list)
    if (definition !== undefined) assert.ok(check(definition).faults.length === 0);
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const taken = new Map<string, string>();
  for (const { title, type, description, gridPos } of panels) {
    const { x, y, w, h } = gridPos;
    assert.ok(x + w <= 24, title);
    if (type !== 'row') assert.ok(description, `${title}: what it shows`);
    for (let column = x; column < x + w; column++) {
      for (let line = y; line < y + h; line++) {
        const place = `${String(column)},${String(line)}`;
        assert.equal(taken.get(place), undefined, `${title} lies on ${String(taken.get(place))}`);
        taken.set(place, title);
      }
    }
  }
});
