/** How the identity service is asked. A throw is an outage, and never an answer. */
export function identityService(url) {
  const bearer = (token) => ({ authorization: `Bearer ${token}` })
  const sessionOf = ({ user, expires_at }) => ({
    userId: user.id,
    expiresAt: Date.parse(expires_at),
    data: { name: user.name, email: user.email },
  })

  return {
    /** The token and its session, or null when the password is wrong. */
    async signIn(email, password) {
      const answer = await fetch(`${url}/sessions`, {
        method: 'POST',
        body: JSON.stringify({ email, password }),
        signal: AbortSignal.timeout(3_000),
      })
      if (answer.status === 401) return null
      if (!answer.ok) throw new Error(`the sign-in answered ${answer.status}`)
      const issued = await answer.json()
      return { token: issued.token, session: sessionOf(issued) }
    },

    async validate(token, { signal }) {
      const answer = await fetch(`${url}/whoami`, { headers: bearer(token), signal })
      if (answer.status === 401) return null
      if (!answer.ok) throw new Error(`whoami answered ${answer.status}`)
      return sessionOf(await answer.json())
    },

    async revoke(token, { signal }) {
      const answer = await fetch(`${url}/session`, { method: 'DELETE', headers: bearer(token), signal })
      if (!answer.ok && answer.status !== 401) throw new Error(`the sign-out answered ${answer.status}`)
    },
  }
}
