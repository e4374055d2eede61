/** What the primary says to the person who started it. Not part of the log: one of these holds a password. */

export interface FirstAdministrator {
  readonly email: string
  readonly generatedPassword: string | null
}

export function firstAdministratorText({ email, generatedPassword }: FirstAdministrator): string {
  return generatedPassword === null
    ? `\n  The first administrator is ${email}, with the password of ADMIN_PASSWORD.\n`
    : `
  The first administrator:
    e-mail    ${email}
    password  ${generatedPassword}
  The password is shown only this once. Change it at /account after signing in.
`
}

/** The addresses, and one command to try. */
export function listeningText(url: string, workers: number, email: string): string {
  const login = JSON.stringify({ email, password: '<password>' })
  return `
  Lockstep listens on ${url} (${workers} ${workers === 1 ? 'worker' : 'workers'}):

    ${url}/          what runs here, and where to go
    ${url}/account   your devices and your password
    ${url}/admin     for those who operate it

  Sign in and ask who you are:

    curl -s -c jar -H 'Content-Type: application/json' -d '${login.replaceAll("'", "'\\''")}' \\
      ${url}/api/v1/auth/login && curl -s -b jar ${url}/api/v1/auth/me

`
}

/** A failed start, for people. */
export function problemsText(problems: readonly string[], what = 'Lockstep'): string {
  return `\n${what} can't start:\n${problems.map((problem) => `  - ${problem}\n`).join('')}\n`
}
