/** Pages that mails lead to: the token stands in the fragment of the link, and goes into the form. */
const [, token] = /^#token=([\w-]+)$/.exec(location.hash) ?? []
// It opens an account: not to be kept in the history.
if (location.hash) history.replaceState(null, '', location.pathname + location.search)

const all = (selector) => [...document.querySelectorAll(selector)]

if (token) {
  for (const part of all('[data-token]')) {
    part.querySelector('input').value = token
    part.hidden = true
  }
  for (const part of all('[data-without-token]')) part.hidden = true
  document.querySelector('[data-with-token] [type="password"]')?.focus()
} else if (all('[data-without-token]').length > 0) {
  for (const part of all('[data-with-token]')) part.hidden = true
}
