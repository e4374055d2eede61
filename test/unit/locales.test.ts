import { expect } from 'chai'
import { locales, textsIn } from '../../shared/locales/locales.ts'
import { problemKinds } from '../../shared/app/problem.ts'

/** `account.devices.title`, with what kind of text it is. */
function keysOf(texts: object, prefix = ''): string[] {
  return Object.entries(texts).flatMap(([name, value]) =>
    typeof value === 'object' && value !== null
      ? keysOf(value, `${prefix}${name}.`)
      : [`${prefix}${name}: ${typeof value}`],
  )
}

describe('The language files', () => {
  const [first, ...others] = locales

  for (const locale of others) {
    it(`say in ${locale} all that they say in ${first}`, () => {
      expect(keysOf(textsIn(locale))).to.have.members(keysOf(textsIn(first)))
    })

    it(`leave no text of ${locale} empty`, () => {
      const empty = JSON.stringify(textsIn(locale)).match(/"[^"]+":"\s*"/g)
      expect(empty).to.equal(null)
    })

    it(`say in ${locale} what happened, for each kind of problem`, () => {
      for (const type of problemKinds) {
        const problem = { type, title: 'In English', message: 'in English', status: 400, headers: {} }
        const { title, text } = textsIn(locale).problems.told(problem)
        expect(`${title} ${text}`, type).not.to.include('English')
      }
    })
  }
})
