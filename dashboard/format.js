/** Numbers and times as people read them. */

const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });

/** `0`, `7.5`, `1,204`, `12.3k`, `1.2M` */
export function formatCount(value) {
  if (value >= 1e6) return `${(value / 1e6).toFixed(1)}M`;
  if (value >= 1e4) return `${(value / 1e3).toFixed(1)}k`;
  if (value > 0 && value < 10 && !Number.isInteger(value)) return value.toFixed(1);
  return whole.format(value);
}

export function formatBytes(bytes) {
  if (bytes >= 1_073_741_824) return `${(bytes / 1_073_741_824).toFixed(2)} GB`;
  return `${(bytes / 1_048_576).toFixed(0)} MB`;
}

export function formatSeconds(seconds) {
  const ms = seconds * 1_000;
  if (ms >= 1_000) return `${seconds.toFixed(1)} s`;
  return ms >= 10 ? `${ms.toFixed(0)} ms` : `${ms.toFixed(1)} ms`;
}

/** `3 m 20 s`, `5 h 2 m`, `12 d` */
export function formatUptime(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 60) return `${whole} s`;
  if (whole < 3_600) return `${Math.floor(whole / 60)} m ${whole % 60} s`;
  if (whole < 86_400) return `${Math.floor(whole / 3_600)} h ${Math.floor((whole % 3_600) / 60)} m`;
  return `${Math.floor(whole / 86_400)} d`;
}

export function formatTime(ms) {
  const time = new Date(ms);
  const clock = time.toLocaleTimeString('en-GB');
  return Date.now() - ms < 86_400_000 ? clock : `${time.toISOString().slice(0, 10)} ${clock}`;
}
