/** The words of this part: accounts of people, and where they are kept. */
import type { Service } from '../kernel/lifecycle.ts'
import type { AuditTrail } from './audit.ts'
import type { Role } from './roles.ts'

export interface Account {
  readonly id: string
  /** As the person wrote it; compared case-insensitively. */
  readonly email: string
  readonly name: string
  readonly roles: readonly Role[]
  readonly disabled: boolean
  readonly emailVerified: boolean
  /** Free word by which an application tells its plans apart (`free`, `pro`); rate limits may depend on it. */
  readonly tier: string
  /** Grows by one with every change of this record. */
  readonly version: number
  /** Milliseconds since 1970. */
  readonly createdAt: number
  readonly updatedAt: number
  /** The database that drew the version: versions of another one cannot be compared with it. */
  readonly lineage: string
}

/** As lists show it. */
export interface ListedAccount extends Account {
  /**
   * What is wrong with the record, by column, when someone wrote nonsense into it: safe values stand for what can't be
   * read. No one can sign in with it, until a change puts it right.
   */
  readonly damaged?: readonly string[]
}

export interface NewAccount {
  readonly email: string
  readonly name: string
  readonly roles: readonly Role[]
  readonly passwordHash: string
  readonly emailVerified?: boolean
  readonly tier?: string
}

export interface AccountChanges {
  readonly name?: string
  readonly roles?: readonly Role[]
  readonly disabled?: boolean
  readonly emailVerified?: boolean
  readonly tier?: string
}

/** What an accounts database knows of the deployments that use it. */
export interface DeploymentRecords {
  describe(): Promise<{
    /** Made with the database, and copied with it: tells it from every other. */
    readonly id: string
    /** There were accounts before deployments had names. */
    readonly olderThanNames: boolean
    /** The key space in Redis of each name that it was used under; `''` is having none. */
    readonly spaces: ReadonlyMap<string, string>
  }>
  /** Remembers the key space of a name. Gives the one that counts: that of whoever was first. */
  keepSpace(name: string, space: string): Promise<string>
}

/**
 * Where accounts are kept. One contract suite runs on every implementation. Each method throws `Unavailable`
 * when the database can't be asked within its bound.
 */
export interface AccountStore extends Service {
  /** What was done to accounts, sessions and the server: in the same database, over the same connections. */
  readonly audit: AuditTrail
  readonly deployments: DeploymentRecords
  /** Creates or upgrades the tables. Run once, by the primary, before anybody else opens the store. */
  migrate(): Promise<void>
  /** What `migrate` would do: the names of the missing migrations, in order. Changes nothing. */
  missingMigrations(): Promise<string[]>
  /** Cheap proof that the database answers; rejects with `Unavailable` otherwise. */
  ping(): Promise<void>
  count(): Promise<number>
  findById(id: string): Promise<Account | null>
  findByEmail(email: string): Promise<Account | null>
  /**
   * By e-mail address, at most `limit`, those after the address `after`. With `search`, those whose address or name
   * contains it, without regard to the case of letters from A to Z.
   */
  list(page: { after?: string; limit: number; search?: string }): Promise<ListedAccount[]>
  /** One account as lists show it, be its record damaged or not. */
  findListed(id: string): Promise<ListedAccount | null>
  /** The e-mail addresses of those of these ids that are accounts. */
  emailsOf(ids: readonly string[]): Promise<ReadonlyMap<string, string>>
  /** Whether there is such an account, be its record damaged or not. */
  has(id: string): Promise<boolean>
  /** The id behind an address, be the record damaged or not. */
  findIdByEmail(email: string): Promise<string | null>
  create(account: NewAccount): Promise<Account | 'email-taken'>
  /**
   * The record as it is after the change, or null when there is none. What was damaged and is not part of the change
   * gets a value that opens nothing: no roles, disabled.
   */
  update(id: string, changes: AccountChanges): Promise<Account | null>
  /**
   * The same, unless no enabled administrator would be left: then nothing is changed. One transaction decides, so that
   * of many who stop being administrators at once one stays.
   */
  updateKeepingAdministrator(
    id: string,
    changes: AccountChanges,
  ): Promise<Account | null | 'last-administrator'>
  /**
   * Makes the version greater than `known`, which someone saw of this account although the database is not there yet:
   * it was put back from a backup. Changes nothing where it is greater.
   */
  raiseVersion(id: string, known: number): Promise<Account | null>
  /** The current password hash, or null when there is no such account. */
  passwordHash(id: string): Promise<string | null>
  /**
   * Replaces the password hash and voids every outstanding reset token of the account. With `expected`, only
   * if the current hash is still that one (a second change in flight loses).
   */
  setPassword(id: string, passwordHash: string, expected?: string): Promise<'changed' | 'conflict' | 'gone'>
  /** Remembers a reset token by its SHA-256 (base64url) until `expiresAt` (milliseconds since 1970). */
  addResetToken(id: string, tokenHash: string, expiresAt: number): Promise<void>
  /** Whose unexpired reset token is it? Does not use it up. */
  findResetToken(tokenHash: string, now: number): Promise<Account | null>
  /**
   * Uses the token up, sets the password and marks the address as verified, since the token came by mail. One
   * transaction: of many concurrent callers one wins. Null when the token is unknown, used or expired.
   */
  resetPassword(tokenHash: string, passwordHash: string, now: number): Promise<Account | null>
  /** Remembers a token that can verify the account's e-mail address, and nothing else, as `addResetToken` does. */
  addVerificationToken(id: string, tokenHash: string, expiresAt: number): Promise<void>
  /** Uses the token up and marks the address as verified, as `resetPassword` does. */
  verifyEmail(tokenHash: string, now: number): Promise<Account | null>
}

/** Hashes and checks passwords, at most a few at once, so that a flood of logins cannot stall the process. */
export interface Passwords {
  hash(password: string): Promise<string>
  /** With a `null` hash (no such account) works as long as with a real one, and answers false. */
  verify(hash: string | null, password: string): Promise<boolean>
}
