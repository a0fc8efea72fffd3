// GET /metrics: the mesher's families, and the process's where it is given, in Prometheus' text format 0.0.4.
//
//   family := "# HELP" name help LF "# TYPE" name type LF { name [ "{" label "=" quoted { "," … } "}" ] value LF }

import { monitorEventLoopDelay } from 'node:perf_hooks';
import type { FastifyPluginAsync } from 'fastify';
import Type from 'typebox';
import type { ErrorCode } from '../core/errors.ts';
import type { MetricFamily, MesherView } from '../core/views.ts';
import type { ProcessFigures } from './process-metrics.ts';
import { processFamilies } from './process-metrics.ts';

const PREFIX = 'causeway_';
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';
/** How often the event loop's delay is sampled. */
const DELAY_RESOLUTION_MS = 20;

/** How many requests were answered with each code. */
export type Refusals = Map<ErrorCode, number>;

export interface MetricsOptions {
  readonly view: MesherView;
  readonly refusals: Refusals;
  readonly process?: ProcessFigures;
}

export const metricsRoutes: FastifyPluginAsync<MetricsOptions> = async (app, options) => {
  const delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  if (options.process) delay.enable();
  app.addHook('onClose', async () => void delay.disable());
  const schema = {
    summary: 'Counters and gauges for Prometheus',
    tags: ['health'],
    operationId: 'getMetrics',
    response: {
      200: { description: 'Text format 0.0.4', content: { 'text/plain': { schema: Type.String() } } },
    },
  };
  app.get('/metrics', { schema }, async (_request, reply) => {
    const families = [
      ...options.view.metrics(),
      refusedFamily(options.refusals),
      ...(options.process ? processFamilies(options.process, delay, DELAY_RESOLUTION_MS) : []),
    ];
    return reply.type(CONTENT_TYPE).send(formatMetrics(families));
  });
};

function refusedFamily(refusals: Refusals): MetricFamily {
  return {
    name: 'http_refused_total',
    help: 'HTTP requests answered with an error, by its code',
    type: 'counter',
    samples: [...refusals].map(([reason, value]) => ({ labels: { reason }, value })),
  };
}

export function formatMetrics(families: readonly MetricFamily[]): string {
  let text = '';
  for (const { name, help, type, samples } of families) {
    if (samples.length === 0) continue;
    text += `# HELP ${PREFIX}${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${PREFIX}${name} ${type}\n`;
    for (const { labels, value } of samples)
      text += `${PREFIX}${name}${formatLabels(labels)} ${formatNumber(value)}\n`;
  }
  return text;
}

function formatLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(
    ([label, value]) =>
      `${label}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`,
  );
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`;
}

function formatNumber(value: number): string {
  if (value === Infinity) return '+Inf';
  return value === -Infinity ? '-Inf' : String(value);
}
