/**
 * `npm start`: makes a fresh checkout runnable, then becomes the server.
 *
 * Nothing is installed or compiled yet when this runs, so it and everything in bootstrap/ is plain JavaScript on
 * Node's own modules. The server is imported into this process rather than started as a child, so that signals
 * and exit codes are its own.
 */
// Unhandled they would end or stop the process: one that comes before the server runs does nothing.
for (const signal of ['SIGHUP', 'SIGUSR2', 'SIGTTIN', 'SIGTTOU']) process.on(signal, () => {})

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)

if (major > 20 || (major === 20 && minor >= 19)) {
  // Only now: an older Node might not even parse what is imported.
  const { setUp } = await import('./bootstrap/set-up.js')
  const main = await setUp({ production: process.env.NODE_ENV === 'production' })
  if (main) await import(main)
  else process.exitCode = 1
} else {
  console.error(
    `Lockstep needs Node 20.19 or later; this is ${process.versions.node}. See https://nodejs.org.`,
  )
  process.exitCode = 1
}
