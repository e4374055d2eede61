import { expect } from 'chai'
import fc from 'fast-check'
import {
  deploymentKeys,
  freshSpace,
  isKeySpace,
  spaceNamed,
  unnamedSpace,
} from '../../shared/deployment/deployment-keys.ts'

describe('the keys of a deployment', () => {
  it('carry its name, each in braces of its own', () => {
    const { host, ...keys } = deploymentKeys(spaceNamed('shop'))
    expect({ ...keys, host: host('7') }).to.deep.equal({
      sessions: 'sx.shop',
      limits: 'lm.shop',
      live: 'lv.shop',
      queues: '{lockstep.shop}',
      settings: '{sx.shop}:settings',
      hosts: '{lockstep.shop}:hosts',
      host: '{lockstep.shop}:host:7',
      probe: '{sx.shop}:probe',
      marker: '{sx.shop}:deployment',
    })
  })

  it('are those of before where there is no name', () => {
    const { sessions, limits, live, queues, settings, host } = deploymentKeys(unnamedSpace)
    expect([sessions, limits, live, queues, settings, host('7')]).to.deep.equal([
      'sx',
      'lm',
      'lv',
      '{lockstep}',
      '{sx}:settings',
      '{lockstep}:host:7',
    ])
  })

  it('of two names are never the same, whatever the names', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 1, unit: 'grapheme' }),
        fc.string({ minLength: 1 }),
        (one, other) => {
          for (const name of [one, other]) expect(isKeySpace(spaceNamed(name)), name).to.equal(true)
          if (one !== other) expect(spaceNamed(one)).not.to.equal(spaceNamed(other))
        },
      ),
    )
    for (const name of [
      'Shop',
      'shop ',
      'shop-',
      'söhne',
      'sohne',
      'a'.repeat(64),
      '日本',
      '{sx}',
      'a.b',
      '*',
    ]) {
      expect(spaceNamed(name), name).to.match(/^(?:[a-z0-9-]+-)?[a-z0-9]+$/)
      expect(spaceNamed(name)).not.to.equal(spaceNamed('shop'))
    }
  })

  it('of one without a name are its own', () => {
    expect(freshSpace())
      .to.match(/^[a-z0-9]{12}$/)
      .and.not.equal(freshSpace())
  })

  it('are not made of anything else', () => {
    for (const space of ['A', 'a}', 'a.b', ' ', 'x'.repeat(49)]) {
      expect(() => deploymentKeys(space), space).to.throw(TypeError)
    }
  })
})
