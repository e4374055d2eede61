import { expect } from 'chai'
import { asProblem, invalidFields, problem, problemBody } from '../../shared/app/problem.ts'
import { Unavailable } from '../../shared/kernel/errors.ts'

describe('A problem', () => {
  it('has type, title, status, detail and the id of its request', () => {
    const body = JSON.parse(problemBody(problem('session-gone', 'it ended'), 'r-1')) as unknown
    expect(body).to.deep.equal({
      type: 'session-gone',
      title: 'Session has ended',
      status: 401,
      detail: 'it ended',
      requestId: 'r-1',
    })
  })

  it('names every invalid field', () => {
    const { status, message, members } = invalidFields([
      { field: 'email', message: 'is required' },
      { field: 'x', message: 'is not a field of this request' },
    ])
    expect(status).to.equal(422)
    expect(message).to.equal('email is required; x is not a field of this request')
    expect(members['errors']).to.have.length(2)
  })

  it('of an outage is a 503 that says which part is away and when to ask again', () => {
    const outage = asProblem(
      new Unavailable('redis', { cause: new Error('ECONNREFUSED 10.0.0.1'), retryAfterSeconds: 2 }),
    )
    expect(outage).to.include({ status: 503, type: 'unavailable' })
    expect(outage.headers).to.include({ 'Retry-After': '2' })
    expect(outage.message)
      .to.match(/session store/)
      .and.not.match(/10\.0\.0\.1/)
  })

  it('of an overloaded part keeps its status and its Retry-After', () => {
    const overload = Object.assign(new Error('too many sign-ins'), { status: 503, retryAfterSeconds: 0.4 })
    expect(asProblem(overload)).to.include({ status: 503, type: 'unavailable' })
    expect(asProblem(overload).headers).to.include({ 'Retry-After': '1' })
  })

  it('of an unexpected fault tells nothing of it and keeps the cause for the log', () => {
    const fault = new TypeError("Cannot read properties of undefined (reading 'secret')")
    const told = asProblem(fault)
    expect(told).to.include({ status: 500, type: 'internal-error', cause: fault })
    expect(problemBody(told)).not.to.match(/secret|undefined/)
    for (const odd of [null, undefined, 'text', 7, { status: 'x' }, { status: 99, expose: true }]) {
      expect(asProblem(odd).status).to.equal(500)
    }
  })

  it('of an error with status and expose is what the error says', () => {
    const fault = Object.assign(new Error('no such order'), { status: 404, expose: true })
    expect(asProblem(fault)).to.include({ status: 404, type: 'not-found', message: 'no such order' })
    const hidden = Object.assign(new Error('table orders is locked'), { status: 409, expose: false })
    expect(asProblem(hidden)).to.include({ status: 500, type: 'internal-error' })
  })

  it('with status 401 says how to authenticate, and with 503 when to come back', () => {
    expect(problem('unauthenticated', 'x').headers).to.deep.equal({ 'WWW-Authenticate': 'Bearer' })
    expect(problem('revocation-unconfirmed', 'x').headers).to.deep.equal({ 'Retry-After': '1' })
  })
})
