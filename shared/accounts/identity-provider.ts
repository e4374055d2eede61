import type { Subject } from '../sessions/index.ts'

/** Who signed in, as sessions will know them. `version` and `profile` may be left out by those who have none. */
export type VerifiedUser = Pick<Subject, 'id' | 'roles'> & Partial<Pick<Subject, 'version' | 'profile'>>

/**
 * Who may sign in: the two questions of a login. Our accounts are one implementation; an application may bring its
 * own. One contract suite runs on all of them (server/testing/accounts-contract.ts).
 *
 * The login takes its ticket between the two calls. If the sessions of that user are ended after the ticket, nothing
 * is created, so `verify` has to read the secret and the roles when it is called, and not go by what `identify` read.
 * A call that throws is an outage and answered with 503, never with "wrong password".
 */
export interface IdentityProvider {
  /** The id of the user with this name (for us: an e-mail address), or null when there is none. */
  identify(name: string): Promise<string | null> | string | null
  /**
   * The user, as of now, if `secret` is theirs and they may sign in. With `null` as id (no one has the name) works as
   * long as with a real one, and answers null. `refuse` notes for the audit trail why; the client never learns it.
   */
  verify(
    id: string | null,
    secret: string,
    refuse?: (reason: string) => void,
  ): Promise<VerifiedUser | null> | VerifiedUser | null
}
