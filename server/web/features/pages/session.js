/**
 * On each page of who is signed in: says at once, in every open tab, that this has ended, or that its reader may not see
 * the page any more. Without it the next request says so.
 */
{
  const page = document.currentScript.dataset
  // The one tab that is looked at listens: browsers open few connections to a server, and others want some too.
  const tabs = new BroadcastChannel('lockstep-session')
  let source = null
  let asking = false
  let note = null

  function listen() {
    if (note !== null || asking || source !== null || document.hidden) return
    source = new EventSource(page.stream)
    source.addEventListener('session-ended', ask)
    source.addEventListener('access-lost', ask)
    source.addEventListener('error', () => {
      // Refused: the browser does not try again.
      if (source?.readyState === EventSource.CLOSED) ask()
    })
  }

  function hush() {
    source?.close()
    source = null
  }

  /**
   * A change of the password in another tab ends this session too, and the browser gets another one a moment later: so a
   * refusal counts when it is repeated, and what was said is taken back when it was wrong.
   */
  async function ask() {
    hush()
    if (asking) return
    asking = true
    let status = await statusOfStream()
    if (status === 401) {
      await pause(400)
      status = await statusOfStream()
    }
    if (status === 401 || status === 403) {
      say(status === 401 ? page.ended : page.lost)
      for (let look = 0; look < 3 && status !== 200; look++) {
        await pause(2_000)
        status = await statusOfStream()
      }
      if (status === 200) takeBack()
    }
    asking = false
    if (note === null) {
      await pause(1_000 + Math.random() * 3_000)
      listen()
    }
  }

  function pause(ms) {
    return new Promise((resolve) => setTimeout(resolve, ms))
  }

  async function statusOfStream() {
    const looked = new AbortController()
    try {
      const { status } = await fetch(page.stream, { signal: looked.signal, redirect: 'error' })
      return status
    } catch {
      return 0
    } finally {
      looked.abort()
    }
  }

  function say(text) {
    if (note !== null) return
    tabs.postMessage('ask')
    hide(true)
    note = document.createElement('p')
    note.setAttribute('role', 'alert')
    Object.assign(note.style, {
      position: 'fixed',
      inset: '0 0 auto',
      zIndex: '9999',
      margin: '0',
      padding: '1rem',
    })
    Object.assign(note.style, { background: '#8b1a10', color: '#fff', textAlign: 'center' })
    note.append(`${text} `)
    if (page.signIn) {
      const link = document.createElement('a')
      link.href = page.signIn
      link.textContent = page.signInText
      link.style.color = 'inherit'
      note.append(link)
    }
    document.body.prepend(note)
  }

  function takeBack() {
    note.remove()
    note = null
    hide(false)
  }

  function hide(whether) {
    for (const element of document.body.children) {
      element.inert = whether
      element.style.filter = whether ? 'blur(8px)' : ''
    }
  }

  tabs.addEventListener('message', ask)
  document.addEventListener('visibilitychange', () => (document.hidden ? hush() : listen()))
  addEventListener('pagehide', hush)
  addEventListener('pageshow', listen)
  listen()
}
