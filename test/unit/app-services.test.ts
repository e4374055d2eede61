import { expect } from 'chai'
import { pino } from 'pino'
import { defineApp } from '../../shared/app/app.ts'
import { configure } from '../../shared/app/app-env.ts'
import { openApplication } from '../../shared/app/open-application.ts'
import type { Parts } from '../../shared/app/parts.ts'
import type { ConfigurationError } from '../../shared/kernel/errors.ts'
import { deadlineIn } from '../../shared/kernel/lifecycle.ts'
import { schemaProblem } from '../../shared/kernel/zod-schema.ts'
import * as mini from 'zod/mini'
import * as three from 'zod/v3'
import { z } from 'zod'

describe('The services of an application', () => {
  const lockstep = { log: pino({ level: 'silent' }) } as unknown as Omit<Parts, 'services'>
  const open = (services: () => unknown, withinMs = 50) =>
    openApplication({ app: defineApp({ name: 'x', services }), env: {}, role: 'web', lockstep, withinMs })

  async function refusal(services: () => unknown): Promise<string> {
    return open(services)
      .start()
      .then(
        () => 'started',
        (cause: Error) => cause.message,
      )
  }

  it('that never resolve refuse the start, by name and in time', async () => {
    expect(await refusal(() => new Promise(() => {}))).to.equal('services of x did not resolve within 50 ms')
  })

  it('that throw, or are no object, refuse the start with the reason', async () => {
    const fault = await refusal(() => {
      throw new Error('no database')
    })
    expect(fault).to.equal('no database')
    expect(await refusal(() => 5)).to.equal('services of x must give an object')
  })

  it('of which one never stops are left at the deadline, and the others stop', async () => {
    const stopped: string[] = []
    const application = open(() => ({
      first: { stop: () => void stopped.push('first') },
      hangs: { stop: () => new Promise(() => {}) },
    }))
    await application.start()
    await application.stop(deadlineIn(50))
    expect(stopped).to.deep.equal(['first'])
  })
})

describe('The variables of an application', () => {
  const app = (env: z.ZodObject) => defineApp({ name: 'shop', env })

  function problemsOf(env: z.ZodObject, given: Record<string, string>): string[] {
    try {
      configure(app(env), given)
      return []
    } catch (cause) {
      return [...(cause as ConfigurationError).problems]
    }
  }

  it('may begin like ours: what the application names is no misspelling of ours', () => {
    const env = z.object({ SESSION_SECRET: z.string(), ADMIN_MAIL: z.string() })
    const given = { SESSION_SECRET: 'abc', ADMIN_MAIL: 'x' }
    expect(configure(app(env), given).env).to.deep.equal(given)
    expect(problemsOf(z.object({}), given)).to.have.length(2)
  })

  it('may not be ours', () => {
    const problems = problemsOf(z.object({ PORT: z.string(), LOCKSTEP_ROLE: z.string().optional() }), {
      PORT: '1',
    })
    expect(problems.join())
      .to.include('PORT is a variable of Lockstep')
      .and.to.include('LOCKSTEP_ROLE is a variable')
  })

  it('are told together with what is wrong of ours, and never by value', () => {
    const problems = problemsOf(z.object({ KEY: z.string().min(20), OTHER: z.string() }), {
      KEY: 'hunter2',
      PORT: 'x',
    })
    expect(problems).to.have.length(3)
    expect(problems.join()).not.to.include('hunter2')
  })
})

describe('A schema', () => {
  it('of zod 4 is taken, whichever copy of zod made it', () => {
    expect(schemaProblem(z.strictObject({}))).to.equal(null)
    const foreign = { _zod: z.strictObject({})._zod }
    expect(schemaProblem(foreign)).to.equal(null)
  })

  it('of zod 3 and of zod/mini is refused by name', () => {
    expect(schemaProblem(three.z.object({}))).to.include('zod 3')
    expect(schemaProblem(mini.object({}))).to.include('zod/mini')
    expect(schemaProblem({})).to.equal('is not a zod schema')
  })
})
