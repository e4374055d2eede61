/** The page /reset: asks for a mail, or sets the password with the token of its link. */
const [, token] = /^#token=([\w-]+)$/.exec(location.hash) ?? []
// It opens an account: not to be kept in the history.
history.replaceState(null, '', location.pathname)

const element = (id) => document.getElementById(id)
const form = element(token ? 'confirm' : 'request')
form.hidden = false
form.querySelector('input').focus()

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  const button = form.querySelector('button')
  button.disabled = true
  say('fault', '')
  const outcome = await ask(Object.fromEntries(new FormData(form)))
  button.disabled = false
  if (outcome.fault) return say('fault', outcome.fault)
  form.hidden = true
  say('done', token ? element('done').dataset.done : outcome.message)
})

async function ask(fields) {
  try {
    const answer = await fetch(form.dataset.api, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(token ? { ...fields, token } : fields),
    })
    const { message, detail } = answer.status === 204 ? {} : await answer.json()
    return answer.ok ? { message: sentence(message ?? '') } : { fault: sentence(detail) }
  } catch {
    return { fault: element('fault').dataset.unreachable }
  }
}

function say(id, text) {
  element(id).textContent = text
  element(id).hidden = text === ''
}

function sentence(text) {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`
}
