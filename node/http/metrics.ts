// GET /metrics: the mesher's families, and the process's where it is given, in Prometheus' text format 0.0.4.
//
//   family := "# HELP" name help LF "# TYPE" name type LF { name [ suffix ] [ "{" label "=" quoted { "," … } "}" ] value LF }

import type { FastifyPluginAsync } from 'fastify';
import Type from 'typebox';
import type { ErrorCode } from '../core/errors.ts';
import { family, sumBy } from '../core/metric-family.ts';
import type { MetricFamily, MesherView } from '../core/views.ts';
import type { ProcessFigures } from './process-metrics.ts';
import { openFiles, processFamilies } from './process-metrics.ts';
import { LoopDelay } from './loop-delay.ts';

export const PREFIX = 'causeway_';
const CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** How many requests were answered with each code. */
export type Refusals = Map<ErrorCode, number>;

export interface MetricsOptions {
  readonly view: MesherView;
  readonly refusals: Refusals;
  readonly process?: ProcessFigures;
  /** Started and stopped by whoever gives it; left out: one of its own. */
  readonly loopDelay?: LoopDelay;
}

export const metricsRoutes: FastifyPluginAsync<MetricsOptions> = async (app, options) => {
  const delay = options.loopDelay ?? new LoopDelay();
  if (options.process && !options.loopDelay) {
    delay.start();
    app.addHook('onClose', async () => delay.stop());
  }
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
      family('ready', options.view.notReady().length === 0 ? 1 : 0), // also before there is anything else to tell
      ...options.view.metrics(),
      family('http_refused_total', sumBy('reason', options.refusals)),
      ...(options.process ? processFamilies(options.process, await openFiles(), delay) : []),
    ];
    return reply.type(CONTENT_TYPE).send(formatMetrics(families));
  });
};

export function formatMetrics(families: readonly MetricFamily[]): string {
  let text = '';
  for (const { name, help, type, samples } of families) {
    if (samples.length === 0) continue;
    text += `# HELP ${PREFIX}${name} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${PREFIX}${name} ${type}\n`;
    for (const { suffix = '', labels, value } of samples)
      text += `${PREFIX}${name}${suffix}${formatLabels(labels)} ${formatNumber(value)}\n`;
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
