import { expect } from 'chai'
import { email, line } from '../../server/web/routing/fields.ts'

describe('An e-mail address', () => {
  for (const good of [
    'a@b',
    'admin@localhost',
    'ann+tag@example.com',
    'jörg@bücher.example',
    "o'neil@x.test",
  ]) {
    it(`may be ${good}`, () => expect(email.safeParse(good).success).to.equal(true))
  }
  for (const bad of [
    '',
    'a',
    '@',
    'a@',
    'a b@c',
    '<m@x.test>',
    'm,evil@y.test',
    'a@b\u202E.c',
    'a@b;c',
    'a@b@c',
    'a\r\n@b',
  ]) {
    it(`may not be ${JSON.stringify(bad)}`, () => expect(email.safeParse(bad).success).to.equal(false))
  }
})

describe('A line of text', () => {
  for (const good of ['Ann', '李', 'می\u200Cخواهم', '👩\u200D💻', ' trimmed ']) {
    it(`may be ${JSON.stringify(good)}`, () => expect(line(20).safeParse(good).success).to.equal(true))
  }
  for (const bad of ['', ' ', '\u200B', 'a\nb', 'a\u0000b', 'x\u202Ey', '\uD800', 'x'.repeat(21)]) {
    it(`may not be ${JSON.stringify(bad)}`, () => expect(line(20).safeParse(bad).success).to.equal(false))
  }
})
