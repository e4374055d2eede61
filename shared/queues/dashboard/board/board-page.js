/** Runs before bull-board on its page. */

// The page is sent with a relative base, so that it works under any path of a proxy; bull-board wants to know it whole.
const base = document.querySelector('base')
const home = new URL(base.getAttribute('href'), location.href).pathname
base.setAttribute('href', home)

// Parts of the page make their own styles. They are marked as ours, so that the policy can refuse all others.
const { nonce, dataset } = document.currentScript
const { ends } = dataset
const { createElement } = document
document.createElement = (...name) => {
  const element = createElement.apply(document, name)
  if (element instanceof HTMLStyleElement) element.nonce = nonce
  return element
}

// The session may end while the page is open: then there is nothing to see here but the way to sign in.
const { open } = XMLHttpRequest.prototype
XMLHttpRequest.prototype.open = function (...request) {
  this.addEventListener('load', () => {
    if (this.status === 401) signIn()
  })
  return open.apply(this, request)
}

function signIn() {
  if (ends === 'reload') return location.reload()
  const here = `/admin/queues/${location.pathname.slice(home.length)}${location.search}`
  location.assign(`${home}../../sign-in?next=${encodeURIComponent(here)}`)
}
