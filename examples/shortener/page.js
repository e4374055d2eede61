import { definePage, requireIdentity } from 'lockstep'

export const linksPage = definePage({
  path: '/links',
  access: 'signed-in',
  summary: 'My links',
  handler(ctx, _input, { services }) {
    const links = services.links.ofOwner(requireIdentity(ctx).identity.user.id)
    const rows = links.map(
      ({ code, url, clicks }) =>
        `<tr><td><a href="/${code}">${code}</a></td><td>${escape(url)}</td><td>${clicks}</td></tr>`,
    )
    return `<!doctype html>
<html lang="en">
<title>My links</title>
<h1>My links</h1>
<table><tr><th>Code</th><th>Leads to</th><th>Clicks</th></tr>${rows.join('\n')}</table>
</html>`
  },
})

function escape(text) {
  const entities = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (character) => entities[character])
}
