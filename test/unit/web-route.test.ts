import { expect } from 'chai'
import { z } from 'zod'
import { createRouteTable } from '../../server/web/route-table.ts'
import { defineRoute, type Method, type Route } from '../../server/web/route.ts'

function route(method: Method, path: string, more: object = {}): Route {
  return defineRoute({ method, path, access: 'anyone', summary: '', replies: {}, handler() {}, ...more })
}

describe('A route', () => {
  for (const access of [undefined, null, '', 'everyone', {}, { roles: [] }, { roles: [1] }]) {
    it(`cannot be defined with the access rule ${JSON.stringify(access)}`, () => {
      expect(() => route('GET', '/x', { access })).to.throw(TypeError, 'say who may call it')
    })
  }

  it('cannot take fields that it does not name', () => {
    for (const loose of [z.object({ a: z.string() }), z.looseObject({}), z.any(), z.string()]) {
      expect(() => route('POST', '/x', { body: loose })).to.throw(TypeError, 'z.strictObject')
    }
    expect(() => route('POST', '/x', { body: z.strictObject({ a: z.string() }) })).not.to.throw()
  })

  it('cannot take a body with GET or DELETE', () => {
    expect(() => route('GET', '/x', { body: z.strictObject({}) })).to.throw(TypeError, 'takes no body')
  })

  for (const path of ['', 'x', '/x/', '//', '/x//y', '/x?y', '/(.*)', '/:', '/a b']) {
    it(`cannot be at the path ${JSON.stringify(path)}`, () => {
      expect(() => route('GET', path)).to.throw(TypeError)
    })
  }

  it('may leave out its body only where no field is required', () => {
    expect(route('POST', '/x').bodyOptional).to.equal(true)
    expect(route('POST', '/x', { body: z.strictObject({ a: z.string() }) }).bodyOptional).to.equal(false)
    expect(route('POST', '/x', { body: z.strictObject({ a: z.string().optional() }) }).bodyOptional).to.equal(
      true,
    )
  })
})

describe('The table of routes', () => {
  const table = createRouteTable([
    route('GET', '/'),
    route('GET', '/a'),
    route('POST', '/a'),
    route('PATCH', '/a/current'),
    route('DELETE', '/a/:id'),
    route('GET', '/a/:id/b/:other'),
    route('GET', '/v1.0/x'),
  ])
  const find = (method: Method, path: string) => table.find(method, path)?.route.path ?? null

  it('finds fixed paths and paths with parameters', () => {
    expect(find('GET', '/')).to.equal('/')
    expect(find('POST', '/a')).to.equal('/a')
    expect(find('PATCH', '/a/current')).to.equal('/a/current')
    expect(find('DELETE', '/a/current')).to.equal('/a/:id')
    expect(table.find('GET', '/a/1/b/x%20y')?.params).to.deep.equal({ id: '1', other: 'x y' })
  })

  for (const path of [
    '/A',
    '/a/',
    '/a//',
    '//a',
    '/b',
    '/a/1/b/',
    '/a/1/b/2/3',
    '/a/./current',
    '/v1x0/x',
    '/toString',
  ]) {
    it(`finds nothing at ${path}`, () => {
      for (const method of ['GET', 'POST', 'PUT', 'PATCH'] as const) expect(find(method, path)).to.equal(null)
    })
  }

  it('knows the methods at a path', () => {
    expect(table.methodsAt('/a')).to.deep.equal(['GET', 'POST'])
    expect(table.methodsAt('/a/current')).to.deep.equal(['PATCH', 'DELETE'])
    expect(table.methodsAt('/nothing')).to.deep.equal([])
  })

  it('refuses a broken percent encoding with a 400', () => {
    expect(() => table.find('DELETE', '/a/%E0%A4%A'))
      .to.throw()
      .with.property('status', 400)
  })

  it('refuses two routes for one request', () => {
    expect(() => createRouteTable([route('GET', '/x/:a'), route('GET', '/x/:b')])).to.throw(
      'registered twice',
    )
  })
})
