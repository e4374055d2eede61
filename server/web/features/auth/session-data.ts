import { z } from 'zod'
import type { SessionData } from '../../../../shared/sessions/index.ts'
import type { AppContext } from '../../../../shared/app/context.ts'
import { invalidFields, problem } from '../../../../shared/app/problem.ts'
import { defineRoute, type Route } from '../../../../shared/app/route.ts'

const path = '/api/v1/session'
const mostFields = 64
const mostBytes = 32 * 1024

/**
 * Names that mean something else on koa-session's object, or on any object: a field of that name would be lost or
 * would replace a method.
 */
const taken = new Set([
  'isNew',
  'length',
  'populated',
  'maxAge',
  'externalKey',
  'save',
  'regenerate',
  'manuallyCommit',
  'commit',
  'toJSON',
  ...Object.getOwnPropertyNames(Object.prototype),
])

const fieldName = z
  .string()
  .regex(
    /^[A-Za-z0-9.-][A-Za-z0-9_.-]{0,63}$/,
    'is not a name for a field: letters, digits and . _ - (not first)',
  )
  .refine((name) => !taken.has(name), 'is a reserved name')

const dataSchema = z.record(z.string(), z.json())

/** The session's own data: what an application remembers for as long as someone is signed in. */
export function sessionDataRoutes(): Route[] {
  return [
    defineRoute({
      method: 'GET',
      path,
      access: 'signed-in',
      summary: "The session's own data",
      session: true,
      replies: { 200: { description: 'Data', body: z.strictObject({ data: dataSchema }) } },
      handler(ctx) {
        ctx.body = { data: { ...dataOf(ctx) } }
      },
    }),
    defineRoute({
      method: 'PATCH',
      path,
      access: 'signed-in',
      summary: "Change fields of the session's own data; null removes a field, others stay as they are",
      session: true,
      body: z.record(fieldName, z.json()),
      replies: { 200: { description: 'Data', body: z.strictObject({ data: dataSchema }) } },
      handler(ctx, { body }) {
        const data = merge(dataOf(ctx), body)
        refuseExcess(data)
        ctx.session = data
        ctx.body = { data }
      },
    }),
  ]
}

function dataOf(ctx: AppContext): SessionData {
  // Through its JSON, as koa-session stores it: the object itself has fields of its own.
  return (ctx.session as unknown as { toJSON(): SessionData }).toJSON()
}

function merge(data: SessionData, changes: SessionData): SessionData {
  const merged = { ...data, ...changes }
  return Object.fromEntries(Object.entries(merged).filter(([, value]) => value !== null))
}

function refuseExcess(data: SessionData): void {
  const fields = Object.keys(data).length
  if (fields > mostFields) {
    throw invalidFields([
      { field: 'body', message: `would make ${fields} fields, ${mostFields} are the most` },
    ])
  }
  const bytes = Buffer.byteLength(JSON.stringify(data))
  if (bytes > mostBytes) {
    throw problem('session-data-too-large', `the data would be ${bytes} bytes, ${mostBytes} are the most`)
  }
}
