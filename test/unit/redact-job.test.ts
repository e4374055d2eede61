import { expect } from 'chai'
import fc from 'fast-check'
import { createRedactor } from '../../shared/queues/dashboard/board/redact-job.ts'

describe('What is shown of a job', () => {
  it('hides fields by what their names say and by what the job says, at any depth', () => {
    const data = { payload: { text: 'abcd', list: [{ accessToken: 'efgh', count: 1 }] }, by: 'ada' }
    expect(createRedactor(['text'], data).value(data)).to.deep.equal({
      payload: { text: '[redacted]', list: [{ accessToken: '[redacted]', count: 1 }] },
      by: 'ada',
    })
  })

  it('hides all that is below a hidden field, wherever it is said again', () => {
    const { text } = createRedactor([], {
      credentials: { user: 'ada-lovelace', pin: 123456, list: ['deep-one'] },
    })
    expect(text('ada-lovelace gave 123456 and deep-one')).to.equal(
      '[redacted] gave [redacted] and [redacted]',
    )
  })

  it('leaves a text readable when a secret is too short, or nothing at all', () => {
    for (const password of ['', 'a', 'abc', '\ud800\ud800\ud800\ud800', null]) {
      expect(createRedactor([], { password }).text('a cab abc')).to.equal('a cab abc')
    }
  })

  it('hides a secret in every spelling, whatever it is', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 4, maxLength: 40, unit: 'grapheme' }),
        fc.string(),
        (secret, around) => {
          const { text } = createRedactor(['text'], { payload: { text: secret } })
          fc.pre(!around.includes(secret) && !'[redacted] {"said":"":? https://a.example/'.includes(secret))
          for (const spelling of [secret, encodeURIComponent(secret)]) {
            expect(text(`said: ${spelling} !`)).not.to.include(spelling)
          }
          expect(text(JSON.stringify({ said: secret }))).not.to.include(JSON.stringify(secret).slice(1, -1))
        },
      ),
    )
  })

  it('ends at a depth that nobody reads, without failing', () => {
    let deep: unknown = 'bottom'
    for (let depth = 0; depth < 20_000; depth++) deep = [deep]
    expect(JSON.stringify(createRedactor(['text'], deep).value(deep))).to.include('…')
  })
})
