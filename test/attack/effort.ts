/** How long the attacks of this folder go on: seconds in `npm test`, minutes in `npm run test:attack`. */
export const long = process.env.ATTACK === 'long'

/** For properties of fast-check: they end after so long, and what was tried by then counts. */
export function effort(shortRuns: number, longMs = 30_000) {
  return long
    ? { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit: longMs, markInterruptAsFailure: false }
    : { numRuns: shortRuns, interruptAfterTimeLimit: 5_000, markInterruptAsFailure: false }
}

/** What is likely to mean something to whoever reads it carelessly. */
export const hostileTexts = [
  '',
  ' ',
  '\0',
  '\r\nSet-Cookie: sid=x',
  '__proto__',
  'constructor',
  '../../etc/passwd',
  '%2e%2e%2f',
  "' OR 1=1 --",
  '{sx}:s:*',
  '}{',
  '<script>alert(1)</script>',
  '${7*7}',
  '\ud800',
  '\u202e\u0000\u2028',
  'NaN',
  '-1',
  '1e999',
  '9007199254740993',
  'x'.repeat(10_000),
]

export const hostileValues: unknown[] = [
  ...hostileTexts,
  null,
  true,
  0,
  -1,
  1.5,
  1e308,
  [],
  {},
  [[[[]]]],
  { $ne: null },
  { toString: 'x' },
  Array.from({ length: 1_000 }, () => 'x'),
]
