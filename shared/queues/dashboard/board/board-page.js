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

// Buttons that are pictures alone get a name, and a picture that repeats the text beside it none.
const names = {
  copy: 'Copy',
  'ellipsis-vertical': 'More actions',
  files: 'Duplicate',
  maximize: 'Full screen',
  minimize: 'Leave full screen',
  'panel-left': 'Sidebar',
  pencil: 'Edit',
  'refresh-cw': 'Retry',
  settings: 'Settings',
  'circle-user': 'Links',
  'trash-2': 'Remove',
  x: 'Close',
}
const pictured = '#root button:not([aria-label]), [role="dialog"] button:not([aria-label])'

function nameParts() {
  for (const button of document.querySelectorAll(pictured)) {
    const classes = button.querySelector('svg')?.classList ?? []
    const icons = [...classes].filter((name) => name.startsWith('lucide-')).map((name) => name.slice(7))
    if (button.textContent.trim() !== '' || icons.length === 0) continue
    const known = icons.find((icon) => names[icon])
    button.setAttribute('aria-label', known ? names[known] : icons[0].replaceAll('-', ' '))
  }
  for (const logo of document.querySelectorAll('#root header a > img:not([alt=""])')) logo.alt = ''
  const frame = document.querySelector('#frame > header')
  if (frame === null) return
  // Below our header its own is no second one of the page.
  const inner = document.querySelector('#root > header')
  inner?.setAttribute('role', 'none')
  for (const part of document.querySelectorAll('#root > header > div:not([role])')) {
    part.setAttribute('role', 'region')
    part.setAttribute('aria-label', part.className.includes('Selector') ? 'Choose a queue' : document.title)
  }
  // Its overview has no heading of its own.
  if (inner && !document.querySelector('h1')) {
    const heading = document.createElement('h1')
    heading.textContent = document.title
    heading.className = 'frame-unseen'
    frame.append(heading)
  }
}

new MutationObserver(nameParts).observe(document.documentElement, { childList: true, subtree: true })
