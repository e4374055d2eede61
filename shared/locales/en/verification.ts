/** Confirming an e-mail address. */
export const verification = {
  title: 'Confirm your e-mail address',
  explained: 'The link of the mail proves that the address is yours.',
  code: 'What follows “token=” in the link of the mail',
  button: 'Confirm',
  done: 'Your e-mail address is confirmed.',
  ended: 'This link has ended, or was used before. Ask for a new mail on the page of your account.',
  sent: 'A mail is on its way to you. Its link confirms your address.',
}
