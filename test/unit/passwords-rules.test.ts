import { expect } from 'chai'
import { commonPasswords } from '../../shared/accounts/common-passwords.ts'
import { generatePassword } from '../../shared/accounts/generate-password.ts'
import { passwordProblem } from '../../shared/accounts/password-rules.ts'

describe('rules for passwords', () => {
  const owner = { email: 'Ada.Lovelace@Example.com', name: 'Ada Lovelace' }

  it('what nobody would try is accepted, whatever it is made of', () => {
    const good = [
      'nine owls',
      'kfjwoeir',
      'ÄÖÜßéèêç',
      '73519264',
      '        x',
      'a'.repeat(64).replace(/aa/g, 'ab'),
    ]
    for (const password of good) expect(passwordProblem(password, owner), password).to.equal(null)
  })

  it('the length is counted in characters, not in what they are stored in', () => {
    expect(passwordProblem('👩🦉🐢🐙🦊🐝🐞', {})).to.match(/at least 8/)
    expect(passwordProblem('👩🦉🐢🐙🦊🐝🐞🦔', {})).to.equal(null)
    expect(passwordProblem('🦉x'.repeat(64), {})).to.equal(null)
    expect(passwordProblem(`${'🦉x'.repeat(64)}y`, {})).to.match(/at most 128/)
    expect(passwordProblem('', {})).to.match(/at least 8/)
  })

  it('common passwords are refused, in any letter case', () => {
    const common = ['password', 'PASSWORD', 'Password123', 'qwertyuiop', 'Summer2024', '12345678', 'aaaaaaaa']
    for (const password of [...common, 'iloveyou', 'P@ssw0rd', 'letmein123', 'lockstep1', 'hgfedcba']) {
      expect(passwordProblem(password, owner), password).to.match(/most common|over and over/)
    }
  })

  it('those that lead the lists of leaked passwords are refused (ASVS 6.2.4: the first 3,000)', () => {
    const leading = `password 12345678 baseball trustno1 1qaz2wsx corvette steelers bigdaddy marlboro 12344321 redskins
      butthead 19841984 1234512345 10101010 sexsexsex 609609609 hahahaha qwerqwer qwertyqwerty blablabla 24682468 01012009 43214321
      88888888 123123123 12341234 xxxxxxxx 0987654321 slipknot jordan23 liverpoo mountain johannes snickers zaq12wsx`
    for (const password of leading.split(/\s+/)) {
      expect(passwordProblem(password, {}), password).to.match(/most common|over and over/)
    }
    expect(commonPasswords().size).to.be.above(15_000)
  })

  it('half a character is refused: it would be the same as any other half', () => {
    for (const half of ['\ud800', '\udc00', '\ud83d', '\ufffd']) {
      expect(passwordProblem(`four wooden ${half} spoons`, {})).to.equal('must not contain half a character')
    }
  })

  it('the address of its owner, its local part and the name are refused, in any letter case', () => {
    expect(passwordProblem('ada.lovelace@example.com', owner)).to.equal('must not be the e-mail address')
    expect(passwordProblem('ADA.Lovelace', owner)).to.equal('must not be the e-mail address')
    expect(passwordProblem('ada lovelace', owner)).to.equal('must not be the name of its owner')
    expect(passwordProblem('LockStep', owner)).to.equal('must not be the name of this product')
    expect(passwordProblem('ada.lovelace', {})).to.equal(null)
  })

  it('an application may refuse more', () => {
    const refused = new Set([...commonPasswords(), 'acme-corp'])
    expect(passwordProblem('Acme-Corp', owner, refused)).to.match(/most common/)
    expect(passwordProblem('password', owner, refused)).to.match(/most common/)
  })

  it('what is wrong never repeats the password', () => {
    for (const password of ['secret', 'password1', 'ada.lovelace', 'x'.repeat(129)]) {
      expect(passwordProblem(password, owner)).to.be.a('string').that.does.not.include(password)
    }
  })

  it('the list of common passwords is in lower case and holds none that is too short anyway', () => {
    expect(commonPasswords().size).to.be.above(1_000)
    for (const password of commonPasswords()) {
      expect(password.length, password).to.be.at.least(8)
      expect(password).to.equal(password.toLowerCase())
    }
  })
})

describe('generated passwords', () => {
  it('they are readable, unlike each other and acceptable', () => {
    const generated = Array.from({ length: 200 }, generatePassword)
    expect(new Set(generated)).to.have.lengthOf(200)
    for (const password of generated) {
      expect(password).to.match(/^([2-9a-hjkm-z]{5}-){4}[2-9a-hjkm-z]{5}$/)
      expect(passwordProblem(password, {})).to.equal(null)
    }
  })

  it('every character of the alphabet occurs, and about equally often', () => {
    const counts = new Map<string, number>()
    for (let n = 0; n < 2_000; n++) {
      for (const character of generatePassword().replaceAll('-', '')) {
        counts.set(character, (counts.get(character) ?? 0) + 1)
      }
    }
    expect(counts.size).to.equal(32)
    // 1,562 are expected of each; a deviation of a fifth is eight times the standard deviation.
    for (const [character, count] of counts) expect(count, character).to.be.within(1_250, 1_875)
  })
})
