/**
 * Diagnostics on standard error through pino: lines for people on a terminal, JSON otherwise. Written synchronously,
 * so that the last words before an exit are not lost; what a node logs is rare.
 */
import { type Logger, pino } from 'pino';
import { PinoPretty as pretty } from 'pino-pretty';
import type { Log } from '../core/log.ts';
import type { LogFormat, LogLevel } from './settings.ts';

const standardError = 2;

export interface PinoLogOptions {
  readonly level: LogLevel;
  readonly format: LogFormat;
  readonly color: boolean;
}

/** A {@link Log} on standard error. */
export function pinoLog(options: PinoLogOptions): Log {
  const destination =
    options.format === 'json'
      ? pino.destination({ dest: standardError, sync: true })
      : pretty({
          destination: standardError,
          sync: true,
          colorize: options.color,
          translateTime: 'SYS:HH:MM:ss.l',
          ignore: 'pid,hostname',
          errorLikeObjectKeys: ['error', 'cause', 'err'],
          singleLine: true,
        });
  return over(
    pino(
      {
        level: options.level,
        base: null,
        timestamp: pino.stdTimeFunctions.isoTime,
        serializers: { error: pino.stdSerializers.err, cause: pino.stdSerializers.err },
        ...(options.format === 'json' ? { formatters: { level: (label: string) => ({ level: label }) } } : {}),
      },
      destination,
    ),
  );
}

function over(logger: Logger): Log {
  return {
    debug: (message, fields = {}) => logger.debug(fields, message),
    info: (message, fields = {}) => logger.info(fields, message),
    warn: (message, fields = {}) => logger.warn(fields, message),
    error: (message, fields = {}) => logger.error(fields, message),
    child: (fields) => over(logger.child(fields)),
  };
}
