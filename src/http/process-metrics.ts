/** What this process uses, under the names that Prometheus and its dashboards know. */
import { type IntervalHistogram, monitorEventLoopDelay, performance } from 'node:perf_hooks';
import type { MetricSample } from '../cluster/gateway.ts';

/** How finely the loop's delay is measured. Lower: more exact, more wake-ups. */
const loopDelayResolutionMs = 20;
/** What {@link ProcessMetrics} calls "lately": its loop delays begin anew this long after they began. */
const loopDelayWindowMs = 10_000;

export class ProcessMetrics {
  readonly #loopDelay: IntervalHistogram = monitorEventLoopDelay({ resolution: loopDelayResolutionMs });
  #windowBeganMs = performance.now();

  start(): void {
    this.#loopDelay.enable();
  }

  close(): void {
    this.#loopDelay.disable();
  }

  samples(): MetricSample[] {
    const memory = process.memoryUsage();
    const cpu = process.cpuUsage();
    const loop = performance.eventLoopUtilization();
    const samples: MetricSample[] = [
      counter('process_cpu_seconds_total', 'User and system processor time spent.', (cpu.user + cpu.system) / 1e6),
      gauge('process_resident_memory_bytes', 'Resident memory.', memory.rss),
      gauge(
        'process_start_time_seconds',
        'When the process started, in seconds since 1970.',
        performance.timeOrigin / 1e3,
      ),
      gauge('nodejs_heap_size_used_bytes', 'Heap in use.', memory.heapUsed),
      gauge('nodejs_heap_size_bytes', 'Heap reserved.', memory.heapTotal),
      gauge('nodejs_external_memory_bytes', 'Memory outside the heap, buffers included.', memory.external),
      counter('nodejs_eventloop_active_seconds_total', 'Time the event loop was busy.', loop.active / 1e3),
      gauge('nodejs_eventloop_lag_p50_seconds', 'How late the event loop lately was, median.', this.#lag(50)),
      gauge('nodejs_eventloop_lag_p99_seconds', 'How late the event loop lately was, worst hundredth.', this.#lag(99)),
    ];
    const nowMs = performance.now();
    if (nowMs - this.#windowBeganMs > loopDelayWindowMs) {
      this.#windowBeganMs = nowMs;
      this.#loopDelay.reset();
    }
    return samples;
  }

  /** Beyond the timer's own resolution, which is in every measurement. */
  #lag(percentile: number): number {
    if (this.#loopDelay.count === 0) return 0;
    return Math.max(0, this.#loopDelay.percentile(percentile) / 1e9 - loopDelayResolutionMs / 1e3);
  }
}

function gauge(name: string, help: string, value: number): MetricSample {
  return { name, kind: 'gauge', help, value };
}

function counter(name: string, help: string, value: number): MetricSample {
  return { name, kind: 'counter', help, value };
}
