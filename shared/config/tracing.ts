/**
 * Traces, by the variables of OpenTelemetry:
 * https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/
 *
 * Only what decides whether and where traces go is read here; the libraries of OpenTelemetry read the rest (timeouts,
 * batches, attributes) by themselves. Its specification lets wrong values pass with a warning; here they are refused
 * like those of all other variables, since no one looks at traces before the day they are needed. A variable that is
 * set and empty is not set, as the specification has it.
 */
import type { EnvironmentReader } from './environment.ts'
import { listed, oneOf, refuse, type Grammar } from './grammar.ts'

export interface TracingConfig {
  /** To a collector, or into our own log. */
  readonly exporter: 'otlp' | 'console'
  readonly protocol: Protocol
  /** What is believed of the headers of requests. */
  readonly propagators: readonly Propagator[]
}

export type Propagator = 'tracecontext' | 'baggage'

const exporters = ['otlp', 'console', 'none'] as const
const protocols = ['http/protobuf', 'http/json'] as const
type Protocol = (typeof protocols)[number]

/** Null unless an exporter or an endpoint is named. */
export function readTracing({ read }: EnvironmentReader): TracingConfig | null {
  const off = read('OTEL_SDK_DISABLED', trueOrFalse, false)
  const named = read('OTEL_TRACES_EXPORTER', optional(oneOf(exporters)), null)
  const ownEndpoint = read('OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', collector, null)
  const endpoint = read('OTEL_EXPORTER_OTLP_ENDPOINT', collector, null)
  const exporter = named ?? (ownEndpoint === null && endpoint === null ? 'none' : 'otlp')
  if (off || exporter === 'none') return null

  read('OTEL_TRACES_SAMPLER', optional(oneOf(samplers)), null)
  read('OTEL_TRACES_SAMPLER_ARG', ratio, null)
  read('OTEL_EXPORTER_OTLP_HEADERS', headers, null)
  read('OTEL_EXPORTER_OTLP_TRACES_HEADERS', headers, null)
  const protocol = read('OTEL_EXPORTER_OTLP_PROTOCOL', otlpProtocol, 'http/protobuf')
  return {
    exporter,
    protocol: read('OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', otlpProtocol, protocol),
    propagators: read('OTEL_PROPAGATORS', propagatorList, ['tracecontext', 'baggage']),
  }
}

function optional<T>(grammar: Grammar<T>): Grammar<T> {
  return { ...grammar, emptyIsUnset: true }
}

const trueOrFalse = optional<boolean>({
  accepts: 'true or false',
  example: 'true',
  parse: (text) => (/^(true|false)$/i.test(text) ? text.toLowerCase() === 'true' : refuse()),
})

const collector = optional<string>({
  accepts: 'the http:// or https:// address of a collector',
  example: 'http://127.0.0.1:4318',
  parse(text) {
    if (!text.includes('://')) return refuse('begin it with http://')
    return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol) ? text : refuse()
  },
})

const knownProtocol = oneOf(protocols)
const otlpProtocol = optional<Protocol>({
  ...knownProtocol,
  parse(text) {
    if (text === 'grpc') return refuse('collectors take OTLP over HTTP too, mostly at port 4318')
    return knownProtocol.parse(text)
  },
})

const samplers = [
  'parentbased_always_on',
  'parentbased_always_off',
  'parentbased_traceidratio',
  'always_on',
  'always_off',
  'traceidratio',
] as const

const ratio = optional<number>({
  accepts: 'a number from 0 to 1: the part of all traces that is recorded',
  example: '0.1',
  parse(text) {
    const value = Number(text)
    return /^\d*\.?\d+$/.test(text) && value <= 1 ? value : refuse()
  },
})

const headers = optional<string>({
  accepts: 'headers for the collector, as name=value, separated by commas',
  example: 'authorization=Bearer%20abc',
  secret: true,
  parse: (text) => (text.split(',').every(isHeader) ? text : refuse()),
})

function isHeader(text: string): boolean {
  const [, value] = /^\s*[\w!#$%&'*+.^`|~-]+\s*=(.+)$/.exec(text) ?? []
  try {
    return value !== undefined && /^[\t\x20-\x7e\x80-\xff]+$/.test(decodeURIComponent(value))
  } catch {
    return false
  }
}

const propagatorWords = ['tracecontext', 'baggage', 'none'] as const

const propagatorList = optional<readonly Propagator[]>({
  accepts: `a list, separated by commas, of ${listed(propagatorWords)}`,
  example: 'tracecontext',
  parse(text) {
    const words = text.split(',').map((word) => word.trim())
    const unknown = words.some((word) => !propagatorWords.includes(word as Propagator))
    if (unknown) return refuse()
    return words.filter((word) => word !== 'none') as Propagator[]
  },
})
