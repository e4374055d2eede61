/**
 * A line of CSV (RFC 4180). A text that a spreadsheet would take for a formula begins with a quote: whoever signs in can
 * put one into the trail.
 */
export function csvLine(values: readonly string[]): string {
  return `${values.map(quoted).join(',')}\r\n`
}

function quoted(value: string): string {
  const harmless = /^[=+\-@\t\r]/.test(value) ? `'${value}` : value
  return /[",\r\n]/.test(harmless) ? `"${harmless.replaceAll('"', '""')}"` : harmless
}
