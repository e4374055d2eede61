/**
 * The types of one application, known everywhere: `declare module 'lockstep' { interface Register { app: typeof app } }`
 * types `services` in every handler, the roles of a user and `identity.user.profile`.
 *
 * They are interfaces on purpose: TypeScript looks into an interface only where a member is used, in the body of a
 * handler, so that an application whose handlers use its own type is no circle. (A handler that returns what it made of
 * `services` names its return type.)
 */

/** What one application adds to the types. */
export interface AppTypes {
  readonly services: object
  readonly role: string
  readonly profile: object
}

// oxlint-disable-next-line typescript/no-empty-object-type -- the application adds its member
export interface Register {}

/** An application in JavaScript, or one that is not registered, uses its services unchecked. */
interface Unregistered extends AppTypes {
  // oxlint-disable-next-line typescript/no-explicit-any -- nothing is known of them
  readonly services: Readonly<Record<string, any>>
  readonly profile: Record<never, never>
}

type Registered = Register extends { readonly app: { readonly types?: infer Types } }
  ? NonNullable<Types> extends AppTypes
    ? NonNullable<Types>
    : Unregistered
  : Unregistered

/** What `services` of the application made. */
export interface RegisteredServices extends Pick<Registered['services'], keyof Registered['services']> {}

/** What a session knows of its user without a trip to the database. */
export interface RegisteredProfile
  extends Pick<Registered['profile'], keyof Registered['profile']>, Readonly<Record<string, unknown>> {}

/** The roles that there are: ours and the application's. */
export type RegisteredRole = Registered['role']
