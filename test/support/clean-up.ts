/**
 * Returns a function that takes what must be done when the test at hand is over, however it ends; done in reverse
 * order. To be called inside `describe`.
 */
export function cleanUpAfterEach(): (action: () => unknown) => void {
  let actions: (() => unknown)[] = []
  afterEach(async () => {
    for (const action of actions.reverse()) await action()
    actions = []
  })
  return (action) => void actions.push(action)
}
