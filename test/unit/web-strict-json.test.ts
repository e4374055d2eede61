import { expect } from 'chai'
import fc from 'fast-check'
import { JsonFault, parseStrictJson } from '../../server/http/strict-json.ts'

describe('Strict JSON', () => {
  it('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
        const text = JSON.stringify(value)
        fc.pre(!text.includes('"__proto__"'))
        expect(parseStrictJson(text)).to.deep.equal(JSON.parse(text))
        expect(parseStrictJson(JSON.stringify(value, null, 2))).to.deep.equal(JSON.parse(text))
      }),
    )
  })

  it('answers any text with a value or a JsonFault', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.stringMatching(/^[[\]{}",:\\a0 ]{0,20}$/)), (text) => {
        try {
          parseStrictJson(text)
        } catch (fault) {
          expect(fault).to.be.instanceOf(JsonFault)
        }
      }),
    )
  })

  const refused: [what: string, text: string, message: RegExp][] = [
    ['a key that is there twice', '{"a":1,"a":2}', /"a" is there twice/],
    ['a key that is there twice, deeper', '{"x":[{"a":1},{"b":{"c":1,"d":[],"c":2}}]}', /"c" is there twice/],
    ['a key that is there twice in another spelling', '{"a":1,"\\u0061":2}', /"a" is there twice/],
    ['__proto__', '{"__proto__":{}}', /__proto__/],
    ['__proto__ in another spelling', '{"a":{"\\u005f_proto__":{}}}', /__proto__/],
    ['nesting without end', '['.repeat(1_000) + ']'.repeat(1_000), /nested more than 32/],
    ['a comma too many', '{"a":1,}', /not valid JSON \(at character 7\)/],
    ['an end too early', '{"a":', /ends too early/],
    ['nothing', '', /ends too early/],
    ['a comment', '{/* */}', /not valid JSON/],
    ['NaN', '{"a":NaN}', /not valid JSON/],
  ]
  for (const [what, text, message] of refused) {
    it(`refuses ${what}`, () => {
      expect(() => parseStrictJson(text)).to.throw(JsonFault, message)
    })
  }

  it('takes equal keys of different objects, and values that look like keys', () => {
    const text = '{"a":{"a":"a"},"b":[{"a":1},{"a":2},"a","a","__proto__"],"c\\"":"{\\"a\\":1,\\"a\\":2}"}'
    expect(parseStrictJson(text)).to.deep.equal(JSON.parse(text))
  })

  it('never quotes the text, which may hold a password', () => {
    expect(() => parseStrictJson('{"password":"hunter2" x}'))
      .to.throw()
      .with.property('message')
      .not.match(/hunter2/)
  })
})
