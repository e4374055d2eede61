/** The pages below /admin, and /docs. */
export const console = {
  navigation: 'Administration',
}
